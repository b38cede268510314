# shellcheck shell=bash
# For scripts/test, when root calls it: run a command as an ordinary user, because that is how natlens is used and what
# its lab promises. Uses $root and say() of scripts/lib.sh.

# Sets `uid` and `gid`: the person behind sudo, else a system user made for this.
choose_ordinary_user() {
    local name=natlens-test
    if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then name=$SUDO_USER; fi
    if ! id "$name" >/dev/null 2>&1; then
        useradd --system --no-create-home --shell /usr/sbin/nologin "$name" || return
    fi
    uid=$(id -u "$name") gid=$(id -g "$name")
}

as_user() { setpriv --reuid="$uid" --regid="$gid" --clear-groups --inh-caps=-all -- "$@"; }

# The topmost folder on the way to the checkout, or the checkout itself, that the user may not enter; empty if none.
blocked_folder() {
    local path=
    local IFS=/
    for part in ${root#/}; do
        path+=/$part
        if ! as_user test -x "$path"; then
            printf '%s' "$path"
            return
        fi
    done
}

# In a mount namespace of our own: the folder that keeps the user out is covered by an open one, in which the checkout
# lies at its usual path. Nobody else sees this, and no permission is changed.
open_way() { # open_way BLOCKED
    local blocked=$1 stage entry target
    stage=$(mktemp -d --tmpdir=/run natlens.XXXXXX)
    mount --bind "$root" "$stage"
    mount -t tmpfs -o mode=755 natlens "$blocked"
    if [ "$blocked" != "$root" ]; then
        mkdir -p "$root"
        mount --bind "$stage" "$root"
    else
        for entry in "$stage"/* "$stage"/.[!.]*; do
            [ -e "$entry" ] || continue
            target=$root/${entry##*/}
            if [ -d "$entry" ]; then mkdir "$target"; else : >"$target"; fi
            mount --bind "$entry" "$target"
        done
    fi
    umount "$stage"
    rmdir "$stage"
    cd "$root" || return
}

run_as_ordinary_user() { # run_as_ordinary_user WRITABLE-FOLDER COMMAND...
    local writable=$1 home blocked status=0
    shift
    if ! choose_ordinary_user; then
        say "NOTICE: no ordinary user could be made: tests run as root"
        "$@"
        return
    fi
    home=$(mktemp -d)
    chown "$uid:$gid" "$home"
    chown -R "$uid:$gid" "$writable"
    local command=(env -u SUDO_USER -u SUDO_UID -u SUDO_GID -u TMPDIR HOME="$home" USER="$(id -un "$uid")"
                   LOGNAME="$(id -un "$uid")" "$@")
    blocked=$(blocked_folder)
    if [ -z "$blocked" ] && as_user test -r CMakeLists.txt -a -x "$writable"; then
        say "Tests run as user $(id -un "$uid")"
        as_user "${command[@]}" || status=$?
    elif [ -n "$blocked" ] && can_open_way "$blocked"; then
        say "Tests run as user $(id -un "$uid"), in a mount namespace that opens $blocked to it"
        in_opened_way "$blocked" "${command[@]}" || status=$?
    else
        say "NOTICE: user $(id -un "$uid") cannot read $root and no way to it could be opened: tests run as root"
        env HOME="$home" "$@" || status=$?
    fi
    rm -rf "$home"
    return "$status"
}

in_opened_way() { # in_opened_way BLOCKED COMMAND...
    export root uid gid
    export -f open_way as_user
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount --propagation private -- bash -euc 'open_way "$1"; shift; as_user "$@"' bash "$@"
}

can_open_way() { in_opened_way "$1" test -r "$root/CMakeLists.txt" 2>/dev/null; }
