# One node of Ceph in $folder: a monitor on 127.0.0.1:$monitor_port, a manager, one OSD in memory,
# and the S3 gateway on 127.0.0.1:$gateway_port. See keeper.sh for the rest.

export CEPH_CONF=$folder/ceph.conf

installed() {
    local program
    for program in ceph ceph-mon ceph-mgr ceph-osd monmaptool radosgw radosgw-admin curl; do
        command -v "$program" >/dev/null || return 1
    done
}

# On a busy machine a monitor that has just begun refuses commands for a moment (EPERM).
patiently() {
    for _ in $(seq 50); do
        if "$@"; then return; fi
        sleep 0.2
    done
    return 1
}

start() {
    local fsid osd
    fsid=$(cat /proc/sys/kernel/random/uuid)
    mkdir mon mgr osd
    # Without the two osd_*_update_on_start lines the OSD asks the monitor before it may and dies
    # of a 'wrong fsid'. Without tcp_nodelay each small answer of the gateway waits 40 ms for
    # Nagle. The monitor would stop on a disk that is fuller than it likes.
    cat >"$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon_host = v1:127.0.0.1:$monitor_port
ms_bind_msgr2 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = $folder
log_file = $folder/\$name.log
admin_socket = $folder/\$name.asok
pid_file = $folder/\$name.pid
mon_data = $folder/mon
mgr_data = $folder/mgr
osd_data = $folder/osd
keyring = $folder/keyring
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_crush_chooseleaf_type = 0
osd_crush_update_on_start = false
osd_class_update_on_start = false
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
mon_data_avail_warn = 2
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$gateway_port tcp_nodelay=1
rgw_enable_usage_log = false
CONF
    monmaptool --create --fsid "$fsid" --addv a "[v1:127.0.0.1:$monitor_port]" monmap
    ceph-mon --mkfs -i a --monmap monmap
    ceph-mon -i a
    ceph-mgr -i x
    osd=$(patiently ceph --connect-timeout 60 osd create)
    ceph-osd -i "$osd" --mkfs --no-mon-config
    patiently ceph osd crush add "osd.$osd" 1 root=default host=localhost
    ceph-osd -i "$osd"
    start_gateway
    radosgw-admin user create --uid=artifact --display-name=artifact \
        --access-key="$access_key" --secret="$secret_key"
}

start_gateway() {
    radosgw -n client.rgw
    for _ in $(seq 300); do
        if curl --silent --output /dev/null "http://127.0.0.1:$gateway_port/"; then return; fi
        sleep 0.2
    done
    echo "the gateway does not answer"
    return 1
}

stop_gateway() { kill_daemon client.rgw; }

bucket() { put "$1"; }

# A rule for all of a bucket that deletes objects after so many days.
expire() {
    cat >rule.xml <<XML
<LifecycleConfiguration><Rule><ID>expire</ID><Filter></Filter><Status>Enabled</Status><Expiration><Days>$2</Days></Expiration></Rule></LifecycleConfiguration>
XML
    put "$1?lifecycle=" --data-binary @rule.xml --header 'Content-Type: application/xml'
}

versioned() {
    cat >versioning.xml <<XML
<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>
XML
    put "$1?versioning=" --data-binary @versioning.xml --header 'Content-Type: application/xml'
}

put() {
    local what=$1
    shift
    # curl 7 does not sign what it does not send.
    curl --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --silent --show-error --fail --request PUT --aws-sigv4 aws:amz:us-east-1:s3 \
        --user "$access_key:$secret_key" "$@" "http://127.0.0.1:$gateway_port/$what"
}

# Ends a daemon at once: it takes its time to leave, and there is nothing to be saved.
kill_daemon() {
    local pid
    [[ -e $1.pid ]] || return 0
    pid=$(cat "$1.pid")
    kill -KILL "$pid" || return 0
    until is_gone "$pid"; do sleep 0.05; done
    rm -f "$1.pid"
}

# Whether nothing of a process is left that could hold a port: of one that ended, an entry remains
# until its parent has looked, which may be never, and its other threads may end after the first.
is_gone() {
    local stat tasks
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    tasks=("/proc/$1/task/"*)
    [[ ${stat##*) } == Z* && ${#tasks[@]} -eq 1 ]]
}

end() {
    local daemon
    for daemon in client.rgw osd.0 mgr.x mon.a; do kill_daemon "$daemon"; done
}
