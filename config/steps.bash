# What config/quickstart and Tests/run share: steps that say what they do and how long it took. Sourced by bash, not run.

# step "words": ends the step before with its time and begins the next.
step() {
    step_done
    step_words=$1
    step_began=$SECONDS
    printf '== %s\n' "$step_words"
}

step_done() {
    if [ -n "${step_words:-}" ]; then printf '   %s s\n' "$((SECONDS - step_began))"; fi
    step_words=
}

# fail "words": says what went wrong and what to do, and ends with 1.
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    exit 1
}

# long LOG COMMAND...: runs a command that takes long, its output in LOG, its last line every 15 s on the terminal.
# Ends with the command's status; on failure shows the end of the log.
long() {
    local log=$1 began=$SECONDS status=0 last=
    shift
    mkdir -p "$(dirname "$log")"
    if [ "$(type -t "$1")" = function ]; then "$@" >"$log" 2>&1 & else setsid "$@" >"$log" 2>&1 & fi
    local child=$!
    while kill -0 "$child" 2>/dev/null; do
        for _ in $(seq 15); do
            sleep 1
            kill -0 "$child" 2>/dev/null || break
        done
        kill -0 "$child" 2>/dev/null || break
        last=$(tail -c 400 "$log" | tr '\r' '\n' | tail -n 1 | cut -c 1-100)
        printf '   … %s s  %s\n' "$((SECONDS - began))" "$last"
    done
    wait "$child" || status=$?
    if [ "$status" -ne 0 ]; then
        printf '   failed with %s; the end of %s:\n' "$status" "$log" >&2
        tail -n 60 "$log" >&2
    fi
    return "$status"
}

# end_with_jobs: what the script started beside itself is asked to end, and has ended, before the script has, however
# that comes. Reaches a program, and all that it started where it began by `setsid`; a shell function that runs beside the
# script has to end by `exec`.
end_with_jobs() {
    trap end_jobs EXIT
    trap 'exit 143' HUP INT TERM
}

end_jobs() {
    local job
    for job in $(jobs -p); do pkill --session "$job" 2>/dev/null || kill "$job" 2>/dev/null; done
    wait
}

# find_swift: puts the Swift toolchain on the PATH or says how to get it.
find_swift() {
    local candidate
    command -v swift >/dev/null && return
    for candidate in "$HOME/.local/share/swiftly/bin" /usr/local/swift/usr/bin /usr/libexec/swift/bin; do
        if [ -x "$candidate/swift" ]; then
            PATH=$candidate:$PATH
            return
        fi
    done
    fail "there is no \`swift\`: install Swift 6.3 for Debian 12 from https://www.swift.org/install/linux/ and put it on the PATH"
}
