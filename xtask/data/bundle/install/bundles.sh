# --- Bundles ----------------------------------------------------------------------------------------------------------------

# Prints everything in the current folder as `KIND PATH TARGET`.
walk() { # FOLDER/ or nothing
    for entry in "$1"* "$1".[!.]* "$1"..?*; do
        if [ -h "$entry" ]; then
            echo "link $entry $(readlink -- "$entry")"
        elif [ -d "$entry" ]; then
            echo "folder $entry -"
            walk "$entry/"
        elif [ -f "$entry" ]; then
            echo "file $entry -"
        elif [ -e "$entry" ]; then
            echo "other $entry -"
        fi
    done
}

# Prints what is wrong with a bundle's folder, one finding a line.
verify() { # FOLDER SUM-OF-CONTENTS
    if [ ! -r "$1/contents" ] || ! sum "$1/contents" || [ "$sum" != "$2" ]; then
        echo "$1/contents: is not the list that was packed"
        return
    fi
    : >"$work/sums"
    while read -r kind mode size sum package place path target; do
        case $kind in
        file) echo "$sum  $path" >>"$work/sums" ;;
        link | folder) ;;
        *) continue ;;
        esac
        echo "$kind $path $target"
    done <"$1/contents" | sort >"$work/expected"
    (cd "$1" && walk '') | sort >"$work/found"
    comm -23 "$work/expected" "$work/found" | while read -r kind path target; do
        echo "$1/$path: is missing, or no $kind as it was packed"
    done
    comm -13 "$work/expected" "$work/found" | while read -r kind path target; do
        case $kind:$path in
        # The first two are vouched for otherwise; the third is written by Python when it likes.
        file:install | file:contents | file:*/__pycache__/*.pyc | folder:*/__pycache__) ;;
        # Reported already when it is there as another kind.
        *) has "$path" "$work/expected" || echo "$1/$path: does not belong to the bundle" ;;
        esac
    done
    (cd "$1" && sha256sum -c "$work/sums" 2>/dev/null) | while read -r line; do
        case $line in
        *': OK') ;;
        *) [ ! -f "$1/${line%: FAILED*}" ] || echo "$1/${line%: FAILED*}: has other content than was packed" ;;
        esac
    done
}

# True when a line of the list is, or has as its second word, PATH.
has() { # PATH LIST
    while read -r has_first has_second _; do
        case $1 in
        "$has_first" | "$has_second") return 0 ;;
        esac
    done <"$2"
    return 1
}

# Sets $name, $slot, $rank, $public, $outside from the head of the bundle's list. A slot holds one active bundle.
head_of() { # CONTENTS
    name='' slot='' rank='' public='' outside=''
    while read -r key value; do
        case $key in
        '') break ;;
        xenwright-bundle) [ "$value" = 1 ] || stop 1 "$1 has form $value, expected 1" ;;
        name) name=$value ;;
        slot) slot=$value ;;
        rank) rank=$value ;;
        public) public=$value ;;
        outside) outside=$value ;;
        esac
    done <"$1"
    case :$name:$slot:$rank:$public: in
    *::*) stop 1 "$1 is incomplete" ;;
    esac
}

# Sets $libdir: where the machine's loader looks for public libraries. Debian's folder is not searched elsewhere.
choose_libdir() {
    for libdir in "$public" usr/lib64 usr/lib; do
        # A link is another of the three, and is chosen under its own name.
        if [ -d "$root/$libdir" ] && [ ! -h "$root/$libdir" ]; then return; fi
    done
    libdir=$public
}

# Prints the places of the bundles in FILE, `PATH HOW OWNER MODE VALUE SOURCE`, sorted.
places() { # FILE
    sort -k3,3 "$1" | while read -r owner _ _ at _ state_of; do
        [ "$state_of" = active ] || continue
        content=$root/$at/$owner
        [ "$owner" != "$own" ] || [ "$action" != install ] || content=$bundle
        last=/
        while read -r kind mode size sum package place path target; do
            case $kind:$place in
            file:* | link:*) ;;
            folder:link) ;;
            *) continue ;;
            esac
            target_of=$target
            inside=${path#tree/}
            parent "$inside"
            case $place in
            link | file | conf | init | same) ;;
            library) parent=$libdir ;;
            *) continue ;;
            esac
            if [ "$parent" != "$last" ]; then
                last=$parent
                resolve "$parent"
                physical=$resolved
                ups "$physical"
            fi
            case $place in
            link | library) place=link mode=- sum=$ups$at/$owner/$path ;;
            same) place=link mode=- sum=$target_of ;;
            # Nobody reads init scripts where there is no folder for them.
            init)
                [ -d "$root/$physical" ] || continue
                place=conf
                ;;
            esac
            echo "${physical:+$physical/}${inside##*/} $place $owner $mode $sum $path"
        done <"$content/contents"
    done | sort -s -k1,1 | {
        held=''
        while read -r path rest; do
            # The highest version comes last of those at one path, and wins.
            [ -z "$held" ] || [ "${held%% *}" = "$path" ] || echo "$held"
            held="$path $rest"
        done
        [ -z "$held" ] || echo "$held"
    }
}

chain() { # PATH: prints it and all folders above it, with no mode of their own
    above=$1
    while [ -n "$above" ]; do
        echo "$above -"
        parent "$above"
        above=$parent
    done
}

# Prints every folder that the bundles in BUNDLES and the places in PLACES need, `PATH MODE`.
folders() { # BUNDLES PLACES
    {
        last=/
        while read -r path rest; do
            parent "$path"
            [ "$parent" = "$last" ] || { last=$parent && chain "$last"; }
        done <"$2"
        while read -r owner _ _ at _ state_of; do
            chain "$state"
            chain "$at"
            [ "$state_of" = active ] || continue
            content=$root/$at/$owner
            [ "$owner" != "$own" ] || [ "$action" != install ] || content=$bundle
            while read -r kind mode size sum package place path target; do
                [ "$kind:$place" = folder:folder ] || continue
                resolve "${path#tree/}"
                parent "$resolved"
                echo "$resolved $mode"
                chain "$parent"
            done <"$content/contents"
        done <"$1"
    } | sort -u | {
        held=''
        while read -r path mode; do
            # A mode that a bundle asks for sorts behind none.
            [ -z "$held" ] || [ "${held%% *}" = "$path" ] || echo "$held"
            held="$path $mode"
        done
        [ -z "$held" ] || echo "$held"
    }
}

