# --- The record -------------------------------------------------------------------------------------------------------------

# Divides a record into $work/{bundles,folders,places}SUFFIX.
load() { # FILE SUFFIX
    for part in bundles folders places; do : >"$work/$part$2"; done
    [ -e "$1" ] || return 0
    read -r form <"$1"
    [ "$form" = 'xenwright 1' ] || stop 1 "$1 is no record of this form"
    while read -r tag rest; do
        case /${rest%% *}/ in
        */../* | */./* | *//*) stop 1 "$1 is damaged: ${rest%% *}" ;;
        esac
        case $tag in
        bundle) echo "$rest" >>"$work/bundles$2" ;;
        folder) echo "$rest" >>"$work/folders$2" ;;
        place) echo "$rest" >>"$work/places$2" ;;
        esac
    done <"$1"
}

save() { # SUFFIX: prints the record
    echo 'xenwright 1'
    for part in bundle folder place; do
        while read -r line; do echo "$part $line"; done <"$work/${part}s$1"
    done
}

# Joins two lists of places: `PATH OLD-HOW OLD-VALUE NEW-HOW NEW-VALUE NEW-MODE NEW-SOURCE`, `-` for nothing.
pair() {
    {
        while read -r path how owner mode value source; do echo "$path 1 $how $value - - - -"; done <"$work/places.old"
        while read -r path how owner mode value source; do
            while read -r bundle_name _ _ at _ _; do
                [ "$bundle_name" != "$owner" ] || echo "$path 2 - - $how $value $mode $at/$owner/$source"
            done <"$work/bundles.new"
        done <"$work/places.new"
    } | sort -k1,2 | {
        held=''
        while read -r path turn old_how old_value rest; do
            if [ "$turn" = 2 ] && [ "${held%% *}" = "$path" ]; then
                # Old half and new half of one path.
                echo "${held% - - - -} $rest"
                held=''
                continue
            fi
            [ -z "$held" ] || echo "$held"
            held="$path $old_how $old_value $rest"
        done
        [ -z "$held" ] || echo "$held"
    }
}

# Lines of the first file whose first word is in no line of the second.
without() { # FILE FILE
    while read -r first rest; do
        found=
        while read -r other _; do
            [ "$first" != "$other" ] || found=1
        done <"$2"
        [ -n "$found" ] || echo "$first $rest"
    done <"$1"
}

