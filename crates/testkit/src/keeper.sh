# The end of each engine's script: obeys the lines of standard input, and answers each with `done`,
# `failed` (why is in $folder/log) or `missing` (nothing is installed). At the end of the input,
# which is the end of whoever started this, the engine is ended and its folder removed.
#
# Orders run in a subshell outside of any condition, where `set -e` works.
cd "$folder" || exit 1
while read -r order; do
    if ! installed; then
        echo missing
        continue
    fi
    # shellcheck disable=SC2086
    (set -e; $order) >>"$folder/log" 2>&1 </dev/null
    if [[ $? -eq 0 ]]; then echo done; else echo failed; fi
done
end >>"$folder/log" 2>&1 </dev/null
cd /
rm -rf "$folder"
