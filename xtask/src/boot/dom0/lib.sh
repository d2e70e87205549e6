#!/bin/sh
# What the scripts of cases do with guests. Each function is a program of its name in /usr/lib/xenwright/bin as well, a link to this
# file; init reads it. Events go to the descriptor 9, which init opened.
#
# Lines of each console that is followed are in $state/console, one file for each.

state=/run/xenwright

# The time, in hundredths of a second since Linux started.
now() {
    read -r up _ </proc/uptime
    echo $((${up%.*} * 100 + 1${up#*.} - 100))
}

# An event: its kind, and what there is to say.
say() {
    kind=$1
    shift
    read -r up _ </proc/uptime
    printf '%s %s%s\n' "$kind" "$up" "${*:+ $*}" >&9
}

# mark WHAT: something was reached.
mark() {
    say mark "$*"
}

# fact NAME VALUE: something was measured.
fact() {
    say fact "$*"
}

# fail SENTENCE: the case has failed. The first sentence is the one that counts.
fail() {
    [ -s "$state/failed" ] || echo "$*" >"$state/failed"
    echo "$*" >&2
    exit 1
}

# stamp CONSOLE: each line of the standard input is a line of that console.
stamp() {
    cr=$(printf '\r')
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line%"$cr"}
        printf '%s\n' "$line" >>"$state/console/$1"
        read -r up _ </proc/uptime
        printf 'line %s %s %s\n' "$up" "$1" "$line" >&9
    done
}

# follow CONSOLE FILE: what is written to FILE from now on is said on that console.
follow() {
    ! grep -qsxF "$1 $2" "$state/followed" || return 0
    echo "$1 $2" >>"$state/followed"
    # Of a file that is not there yet, tail asks once a second only.
    [ -e "$2" ] || : >"$2"
    tail -n +1 -F "$2" 2>/dev/null </dev/null 9>&- | stamp "$1" >/dev/null 2>&1 &
}

# ending CONSOLE FILE: where a console stops, as the end of a sentence.
ending() {
    last=$(tail -n 1 "$2" 2>/dev/null)
    if [ -n "$last" ]; then
        echo "its console $1 ends at \`$last\`"
    else
        echo "its console $1 is empty"
    fi
}

# await CONSOLE TEXT [SECONDS]: until a line of that console has this text.
await() {
    end=$(($(now) + ${3:-30} * 100))
    until grep -qsF -e "$2" "$state/console/$1"; do
        [ "$(now)" -lt "$end" ] || fail "no \`$2' within ${3:-30} s; $(ending "$1" "$state/console/$1")"
        sleep 0.1
    done
}

# Starts a guest by /case/GUEST.cfg and gives the status of xl.
launch() {
    config=/case/$1.cfg
    [ -e "$config" ] || fail "there is no $config"
    if grep -q '^[[:space:]]*device_model_stubdomain_override[[:space:]]*=[[:space:]]*1' "$config"; then
        follow "$1-dm" "/var/log/xen/qemu-dm-$1.log"
        follow "qemu-$1" "/var/log/xen/qemu-dm-$1-dm.log"
    else
        follow "qemu-$1" "/var/log/xen/qemu-dm-$1.log"
    fi
    # The first is what xenconsoled keeps, of PV consoles; the second what a configuration names for an emulated serial port.
    follow "$1" "/var/log/xen/console/guest-$1.log"
    follow "$1" "/var/log/xen/$1.serial"
    follow "xl-$1" "$state/xl-$1"
    mark create "$1"
    status=0
    xl -vvv create "$config" >"$state/xl-$1" 2>&1 </dev/null 9>&- || status=$?
    mark created "$1"
    domid=$(sed -n 's/.*: Domain \([0-9]*\):.*/\1/p' "$state/xl-$1" | head -n 1)
    [ -z "$domid" ] || fact "domid.$1" "$domid"
    ! dm=$(xl domid "$1-dm" 2>/dev/null) || fact "domid.$1-dm" "$dm"
    return $status
}

# The line in which xl said why, which is the first of its errors: the others follow from it.
why() {
    line=$(grep -m 1 -i 'error' "$state/xl-$1" || tail -n 1 "$state/xl-$1")
    echo "${line#libxl: error: }"
}

# create GUEST: starts it, and stops it for the debugger that the user wants to look at it, or at its stubdomain, with.
create() {
    launch "$1" || fail "xl create $1 ended with status $?: $(why "$1")"
    case " $(cat /proc/cmdline) " in
    *" xenwright.gdb=$1 "*) debugged "$1" ;;
    *" xenwright.gdb=$1-dm "*) debugged "$1-dm" ;;
    esac
}

# debugged DOMAIN: stops it until a debugger has come through the port xenwright.gdb and gone. Only bash opens a connection by itself.
debugged() {
    domid=$(xl domid "$1") || fail "there is no domain $1 that a debugger could look at"
    for port in /sys/class/virtio-ports/*; do
        [ "$(cat "$port/name")" != xenwright.gdb ] || break
    done
    ip link set lo up
    follow gdbsx "$state/gdbsx"
    bash -c '
        gdbsx -a "$1" 64 9999 &
        gdbsx=$!
        until { exec 7<>/dev/tcp/127.0.0.1/9999; } 2>/dev/null; do
            kill -0 "$gdbsx" 2>/dev/null || exit 1
            sleep 0.2
        done
        exec 8<>"$2"
        # Nothing is read as long as nobody is at the other end, and at the end.
        until first=$(head -c 1 <&8) && [ -n "$first" ]; do sleep 0.2; done
        { printf %s "$first" && exec cat <&8; } >&7 &
        from=$!
        cat <&7 >&8 &
        to=$!
        wait -n "$from" "$to"
        kill "$from" "$to" 2>/dev/null
        exec 7>&-
        # One that waits for the domain to stop does not see that nobody waits for it.
        sleep 1
        ! kill "$gdbsx" 2>/dev/null || xl unpause "$1"
    ' bash "$domid" "/dev/${port##*/}" >"$state/gdbsx" 2>&1 9>&- && return
    case $(cat "$state/gdbsx") in
    *errno:38*) fail "gdbsx cannot look at $1: this hypervisor has no CONFIG_GDBSX, which \`EXPERT\` and \`GDBSX\` in its kconfig give" ;;
    *) fail "gdbsx cannot look at $1; $(ending gdbsx "$state/gdbsx")" ;;
    esac
}

# refused GUEST TEXT SECONDS: it cannot be started, xl says so in time, and a console of it says why.
refused() {
    end=$(($(now) + $3 * 100))
    ! launch "$1" || fail "xl create $1 went well, and was to fail"
    [ "$(now)" -le "$end" ] || fail "xl create $1 took more than $3 s to fail"
    sleep 0.2
    grep -qsF -e "$2" "$state/console/xl-$1" "$state/console/$1-dm" ||
        fail "xl create $1 failed, but neither xl nor $1-dm said \`$2': $(why "$1")"
}

# gone GUEST [SECONDS]: until nothing is left of it and of its stubdomain.
gone() {
    end=$(($(now) + ${2:-10} * 100))
    while xl domid "$1" >/dev/null 2>&1 || xl domid "$1-dm" >/dev/null 2>&1; do
        [ "$(now)" -lt "$end" ] || fail "$1 is still there after ${2:-10} s"
        sleep 0.1
    done
}

# destroy GUEST: ends one that does not end by itself.
destroy() {
    mark destroy "$1"
    xl destroy "$1" 9>&- || fail "xl destroy $1 ended with status $?"
    gone "$1"
}

# The processes of dom0 that are the device model of a domain.
models() {
    for process in /proc/[0-9]*; do
        # One that is over by now has no file to open.
        ! { tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null | grep -q -e "-xen-domid $1 " || echo "${process#/proc/}"
    done
}

# stubdom GUEST: its device model runs in a domain of its own, and not in dom0.
stubdom() {
    domid=$(xl domid "$1") || fail "there is no domain $1"
    dm=$(xl domid "$1-dm") || fail "there is no domain $1-dm: $1 has no stubdomain"
    found=$(xenstore-read "/local/domain/$dm/device-model/$domid/state" 2>/dev/null)
    [ "$found" = running ] || fail "the device model in $1-dm is in the state \`$found', not running"
    found=$(models "$domid")
    [ -z "$found" ] || fail "dom0 runs a device model of $1 too: $(tr '\0' ' ' <"/proc/${found%% *}/cmdline")"
    fact "stubdom-memory.$1" "$(xl list "$1-dm" | awk 'NR == 2 { print $3 }')"
}

# dom0qemu GUEST: its device model is a process of dom0.
dom0qemu() {
    domid=$(xl domid "$1") || fail "there is no domain $1"
    ! xl domid "$1-dm" >/dev/null 2>&1 || fail "there is a domain $1-dm: the device model of $1 is not in dom0"
    [ -n "$(models "$domid")" ] || fail "no process of dom0 is the device model of $1"
}

# bridge: xenbr0, which interfaces of guests are connected to, with dom0's address.
bridge() {
    modprobe bridge
    # Without an address of its own it has that of a guest's end, which all of them share.
    ip link add xenbr0 address 00:16:3e:00:00:01 type bridge
    ip address add 192.0.2.1/24 dev xenbr0
    ip link set xenbr0 up
}

case ${0##*/} in
init | sh) ;;
*) "${0##*/}" "$@" ;;
esac
