# --- Paths: relative to the root, without a leading slash -------------------------------------------------------------------

# Sets $resolved to where PATH leads inside the root. Links are followed as the machine itself would: an absolute one starts at
# the root again, and no `..` leads out of it.
resolve() { # PATH
    left=$1 resolved='' hops=0
    while [ -n "$left" ]; do
        part=${left%%/*}
        case $left in
        */*) left=${left#*/} ;;
        *) left= ;;
        esac
        case $part in
        '' | .) continue ;;
        ..)
            case $resolved in
            */*) resolved=${resolved%/*} ;;
            *) resolved= ;;
            esac
            continue
            ;;
        esac
        if [ -h "$root/${resolved:+$resolved/}$part" ]; then
            hops=$((hops + 1))
            [ "$hops" -le 40 ] || stop 1 "/$1: a circle of links"
            target=$(readlink "$root/${resolved:+$resolved/}$part")
            case $target in
            /*) resolved= ;;
            esac
            left=$target${left:+/$left}
        else
            resolved=${resolved:+$resolved/}$part
        fi
    done
    case $resolved in
    *[[:space:]]*) stop 1 "/$1: leads to a path with white space, which the record cannot hold" ;;
    esac
}

parent() { # PATH: sets $parent
    case $1 in
    */*) parent=${1%/*} ;;
    *) parent= ;;
    esac
}

# Sets $staged: where the new thing waits beside PATH.
staged() { # PATH
    parent "$1"
    staged=$root/${parent:+$parent/}.${1##*/}.xenwright-new
}

# Sets $ups: from folder PATH back to the root.
ups() { # PATH
    ups='' left=$1
    while [ -n "$left" ]; do
        ups=../$ups
        parent "$left"
        left=$parent
    done
}

# Sets $sum.
sum() { # FILE
    sum=$(sha256sum <"$1")
    sum=${sum%% *}
}

there() { [ -e "$root/$1" ] || [ -h "$root/$1" ]; }

# True when PATH is what the record says of it.
matches() { # HOW VALUE PATH
    case $1 in
    link) [ -h "$root/$3" ] && [ "$(readlink "$root/$3")" = "$2" ] ;;
    *)
        [ -f "$root/$3" ] && [ ! -h "$root/$3" ] && [ -r "$root/$3" ] || return 1
        sum "$root/$3"
        [ "$sum" = "$2" ]
        ;;
    esac
}

