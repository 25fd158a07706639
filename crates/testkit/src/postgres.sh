# One throwaway cluster of PostgreSQL in $folder, on 127.0.0.1:$port. See keeper.sh for the rest.

bin=
for candidate in "$(pg_config --bindir 2>/dev/null)" $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) "$(dirname "$(command -v initdb)" 2>/dev/null)"; do
    if [[ -x $candidate/initdb && -x $candidate/postgres ]]; then bin=$candidate; break; fi
done

# PostgreSQL refuses to run as root; its package brings a user for it.
as_user() { "$@"; }
if [[ $(id -u) -eq 0 ]]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    as_user() { setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"; }
fi

installed() { [[ -n $bin ]]; }

start() {
    if [[ $(id -u) -eq 0 ]]; then
        touch log
        chown "$user" . log
    fi
    # Everybody on this machine may connect: there is nothing to be had. For tests nothing has to
    # survive power loss either, so nothing is synced; a crash of PostgreSQL alone it survives.
    as_user "$bin/initdb" --pgdata=data --username=artifact --auth=trust --encoding=UTF8 \
        --locale=C --no-sync
    cat >>data/postgresql.conf <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
max_connections = 200
fsync = $synced
full_page_writes = $synced
CONF
    start_again
}

start_again() { as_user "$bin/pg_ctl" start --pgdata=data --wait --timeout=60 --log="$folder/server.log"; }

stop() { as_user "$bin/pg_ctl" stop --pgdata=data --wait --timeout=60 --mode=fast; }

client() {
    local program=$1
    shift
    "$bin/$program" --host=127.0.0.1 --port="$port" --username=artifact "$@"
}

create() { client createdb --template=template0 "$1"; }

remove() { client dropdb --force --if-exists "$1"; }

end() { [[ ! -e data/postmaster.pid ]] || as_user "$bin/pg_ctl" stop --pgdata=data --wait --mode=immediate; }
