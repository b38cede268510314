# shellcheck shell=bash
# Shared by scripts/demo, scripts/test and scripts/bench: packages, logged steps with elapsed time, building.
# Source it after `set -euo pipefail`; it goes to the root of the checkout.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root" || exit
export LC_ALL=C.UTF-8

say() { printf '%s\n' "$*"; }
fail() { # fail STATUS SENTENCE
    printf '%s: %s\n' "${0##*/}" "$2" >&2
    exit "$1"
}

# 75 -> 1:15
clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# A step runs in the background so that its progress can be shown; bash would let it ignore Ctrl-C, so it is ended here.
step_pid=
end_step() { # end_step STATUS
    if [ -n "$step_pid" ]; then kill -TERM "$step_pid" 2>/dev/null || true; fi
    exit "$1"
}
trap 'end_step 130' INT
trap 'end_step 143' TERM

# Runs a command with its output in a log file: one line when it begins, its progress (ninja's [n/m]) now and then, one
# line when it has ended. The log's end is shown only when the command fails.
run_step() { # run_step WHAT LOGFILE COMMAND...
    local what=$1 log=$2 start=$SECONDS shown=$SECONDS interval=15 status=0 progress
    shift 2
    mkdir -p "$(dirname "$log")"
    if [ -t 1 ]; then interval=1; else say "$what ..."; fi
    "$@" >"$log" 2>&1 </dev/null &
    step_pid=$!
    while kill -0 "$step_pid" 2>/dev/null; do
        sleep 0.2
        if [ $((SECONDS - shown)) -ge "$interval" ]; then
            shown=$SECONDS
            progress=$(grep -aoE '^\[[0-9]+/[0-9]+\]' "$log" | tail -n 1 || true)
            if [ -t 1 ]; then printf '\r\033[K%s ... %s %s' "$what" "$progress" "$(clock $((SECONDS - start)))"
            else say "  $(clock $((SECONDS - start))) ${progress:-still at it}"; fi
        fi
    done
    wait "$step_pid" || status=$?
    step_pid=
    if [ -t 1 ]; then printf '\r\033[K'; fi
    if [ "$status" -ne 0 ]; then
        say "$what: failed after $(clock $((SECONDS - start))), status $status. The end of $log:"
        tail -n 60 "$log"
        exit 1
    fi
    say "$what: done in $(clock $((SECONDS - start)))"
}

# Names of the packages of some groups (scripts/packages.txt).
packages() { # packages GROUP...
    local group
    for group in "$@"; do awk -v g="$group" '$1 == g { print $2 }' scripts/packages.txt; done
}

missing_packages() { # missing_packages GROUP...
    local name state
    for name in $(packages "$@"); do
        # shellcheck disable=SC2016 # the ${...} are dpkg-query's own
        state=$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)
        if [ "$state" != installed ]; then printf '%s\n' "$name"; fi
    done
}

# A command as root: directly, or through sudo (which may ask for a password only where there is a terminal).
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif [ -t 0 ]; then sudo -- "$@"
    else sudo -n -- "$@"; fi
}

install_command() {
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

apt_install() {
    # A stale or broken third-party source must not stop us as long as the packages themselves can be had.
    install_command update || say "apt-get update had errors; trying to install nevertheless"
    install_command install --no-install-recommends "$@"
}

# Installs what is missing of some groups; does nothing, and asks nobody, when all is there.
install_packages() { # install_packages GROUP...
    local missing
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "This is not a Debian or Ubuntu system. Please install what these Debian packages hold, then run this again with --no-install:"
        packages "$@" | sed 's/^/  /'
        exit 3
    fi
    mapfile -t missing < <(missing_packages "$@")
    if [ "${#missing[@]}" -eq 0 ]; then
        say "Packages: all there"
        return
    fi
    say "Packages to install: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! as_root true; then
            fail 3 "no right to install packages; as root run: apt-get install --no-install-recommends ${missing[*]}"
        fi
    fi
    run_step "Installing ${#missing[@]} packages" build/install.log apt_install "${missing[@]}"
}

# Configures a preset and builds targets (none: everything).
build_preset() { # build_preset PRESET TARGET...
    local preset=$1
    shift
    run_step "Configuring ($preset)" "build/$preset-configure.log" cmake --preset "$preset"
    run_step "Building ($preset)" "build/$preset-build.log" ninja -C "build/$preset" "$@"
}

# Ubuntu (23.10 and later) lets only programs with an AppArmor profile make user namespaces. Where that is so, loads one
# for the programs of this build folder; it is gone after the next boot, nothing is written to /etc.
# Without the right to do so it only says what to do: natlens itself explains the rest.
allow_user_namespaces() {
    local switch=/proc/sys/kernel/apparmor_restrict_unprivileged_userns profile
    if [ "$(cat "$switch" 2>/dev/null || echo 0)" != 1 ] || ! command -v apparmor_parser >/dev/null; then return 0; fi
    profile="abi <abi/4.0>,
profile natlens-build \"$root/build/*/{bin,tests}/*\" flags=(unconfined) { userns, }"
    if as_root true 2>/dev/null && printf '%s\n' "$profile" | as_root apparmor_parser --replace --skip-cache 2>build/apparmor.log; then
        say "AppArmor: programs in build/ may make user namespaces until the next boot"
    else
        say "AppArmor keeps programs from making user namespaces; README.md (Troubleshooting) says how to allow it"
    fi
}
