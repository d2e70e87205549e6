#!/bin/sh
# Installs the bundle that it lies in; called `uninstall`, takes it away again. `install --help` says how.
#
# A bundle must come onto any Linux without a second toolchain and without a static binary for each architecture, and a person
# must be able to read what it does there: hence shell, with nothing but a POSIX sh and coreutils (busybox will do).
#
# The bundle's content goes to PREFIX/NAME, as it is. Xen's own paths are compiled in, so the places where they expect things
# (/usr/lib/xen-X.Y, programs, public libraries, manual pages) become links into the content, each put there by one rename. What
# is read before all file systems are there (boot loader's files, units) is a real copy, and so is configuration, which belongs
# to the administrator: changed, it is neither overwritten nor removed.
#
# What stands at the places is a function of the bundles that are active: of a series the last one installed, of what all series
# share the highest version's. Installing, going back and taking away all compute the places anew and differ in the bundles only.
#
# The record (/var/lib/xenwright/record) says what was put where. A change is made in this order, which a kill cannot harm:
#   begun    the record as it is to be. From here on an interrupted run is undone: nothing that was there has been touched.
#   staged   content and folders are made; every file and link lies beside its place under a name of its own.
#   next     `begun` renamed. From here on an interrupted run is finished: only renames and removals remain.
#   record   `next` renamed.
#
# shellcheck disable=SC2030,SC2031,SC2034 # functions answer in variables, which are set before each use; a line has more columns than one reader uses
set -eu
umask 022
LC_ALL=C
export LC_ALL

# sha256 of `contents`, put in when the bundle is packed: this file vouches for the list, the list for all else.
contents_sum='@CONTENTS@'

me=${0##*/}
work=
stop() { # STATUS TEXT
    echo "$me: $2" >&2
    # In the middle of a pipe the status is lost; `whole` asks for this.
    [ -z "$work" ] || : >"$work/stopped"
    exit "$1"
}
whole() { [ ! -e "$work/stopped" ] || exit 1; }

usage() {
    cat <<TEXT
usage: install [--root DIR] [--prefix DIR] [--dry-run]
       uninstall [--rollback] [--root DIR] [--dry-run]
       install --recover [--root DIR]

--root DIR    the machine or image to install into (default: /)
--prefix DIR  where the content goes there (default: /usr/lib/xenwright)
--dry-run     says what would be done, and every conflict; touches nothing
--rollback    takes this version away and brings the former one of its series back
--recover     finishes or undoes what an interrupted run began; every other run does so first

Exit status: 0 done, 1 conflicts or a failure, 2 wrong usage.
TEXT
}

action=$me rollback='' dry='' root=/ prefix='' prefix_given=''
while [ $# -gt 0 ]; do
    case $1 in
    --root | --prefix) [ $# -ge 2 ] || stop 2 "$1 needs a folder" ;;
    esac
    case $1 in
    --root) root=$2 && shift ;;
    --root=*) root=${1#*=} ;;
    --prefix) prefix=$2 prefix_given=1 && shift ;;
    --prefix=*) prefix=${1#*=} prefix_given=1 ;;
    --dry-run) dry=1 ;;
    --rollback) rollback=1 ;;
    --recover) action=recover ;;
    --help) usage && exit 0 ;;
    *) usage >&2 && stop 2 "unknown: $1" ;;
    esac
    shift
done
case $action in
install) [ -z "$rollback" ] || stop 2 '--rollback belongs to uninstall' ;;
uninstall) [ -z "$prefix_given" ] || stop 2 '--prefix belongs to install; the record knows where the content is' ;;
recover) [ -z "$dry$rollback$prefix_given" ] || stop 2 '--recover goes with --root alone' ;;
*) stop 2 'to be called as install or uninstall' ;;
esac
bundle=$(cd "$(dirname "$0")" && pwd -P)
# Without the slash that every path below it is written with; the machine's own root becomes the empty word.
root=$(cd "$root" 2>/dev/null && pwd -P) || stop 2 'the folder that --root names is not there'
root=${root%/}

work=$(mktemp -d)
locked=
# shellcheck disable=SC2317 # called by the trap
leave() {
    [ -z "$locked" ] || rm -f "$root/$state/lock"
    rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

