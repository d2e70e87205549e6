# --- Looking before touching ------------------------------------------------------------------------------------------------

conflict() { echo "$1" >>"$work/conflicts"; }
note() { echo "$1" >>"$work/notes"; }

# Sets $owned: which package a foreign file is of, as far as plain lists tell.
owner_of() { # PATH
    owned=
    command -v grep >/dev/null 2>&1 || return 0
    for list in "$root"/var/lib/dpkg/info/*.list; do
        # A machine has thousands of lists: one process reads them all.
        [ -e "$list" ] || break
        list=$(grep -lxF -e "/$1" "$root"/var/lib/dpkg/info/*.list) || break
        list=${list##*/}
        owned=" (of package ${list%.list})"
        break
    done
    for list in "$root"/var/lib/pacman/local/*/files; do
        [ -e "$list" ] || break
        list=$(grep -lxF -e "$1" "$root"/var/lib/pacman/local/*/files) || break
        list=${list%/files}
        owned=" (of package ${list##*/})"
        break
    done
}

kind_of() { # PATH: sets $kind
    if [ -h "$root/$1" ]; then kind='a link'; elif [ -d "$root/$1" ]; then kind='a folder'; else kind='a file'; fi
}

# Every place: what is there, and may it change?
look_at_places() {
    last=/
    while read -r path old_how old_value new_how new_value mode source; do
        parent "$path"
        if [ "$parent" != "$last" ]; then
            last=$parent
            if [ "$old_how" != - ]; then
                resolve "$parent"
                [ "$resolved" = "$parent" ] || conflict "/$parent: has become a link since the last run"
            fi
            if [ -d "$root/$parent" ] && [ ! -w "$root/$parent" ]; then conflict "/$parent: no permission to write"; fi
        fi
        if ! there "$path"; then
            [ "$old_how" = - ] || [ "$new_how" != - ] || note "/$path: is gone already"
            continue
        fi
        kind_of "$path"
        case $old_how:$new_how in
        -:conf)
            if [ "$kind" = 'a folder' ]; then
                conflict "/$path: is there already, a folder"
            else
                note "/$path: is there already and stays as it is; the bundle's is /$source"
            fi
            ;;
        -:*)
            owner_of "$path"
            conflict "/$path: is there already, $kind$owned"
            ;;
        conf:*)
            if ! matches conf "$old_value" "$path"; then
                case $new_how:$new_value in
                -:*) note "/$path: was changed or is not the bundle's, and stays" ;;
                conf:"$old_value") ;;
                *) note "/$path: was changed and stays as it is; the new default is /$source" ;;
                esac
            fi
            ;;
        *) matches "$old_how" "$old_value" "$path" || conflict "/$path: is not what was installed, but $kind" ;;
        esac
    done <"$work/pairs"
}

# Configuration that was there before the first bundle is never ours to remove, even if it is the same: its value is `kept`.
mark_own() {
    while read -r path old_how old_value new_how new_value mode source; do
        case $old_how:$old_value:$new_how in
        -:*:conf) if there "$path"; then echo "$path"; fi ;;
        conf:kept:conf) echo "$path" ;;
        esac
    done <"$work/pairs" >"$work/kept"
    while read -r path how owner mode value source; do
        if has "$path" "$work/kept"; then value=kept; fi
        echo "$path $how $owner $mode $value $source"
    done <"$work/places.new" >"$work/places.marked"
    mv "$work/places.marked" "$work/places.new"
}

look_at_folders() {
    without "$work/needed" "$work/folders.old" >"$work/missing"
    : >"$work/made"
    while read -r path mode; do
        if [ -d "$root/$path" ] && [ ! -h "$root/$path" ]; then continue; fi
        if there "$path"; then
            conflict "/$path: is no folder"
            continue
        fi
        echo "$path $mode" >>"$work/made"
        parent "$path"
        # The nearest folder that is there decides.
        if [ -d "$root/$parent" ] && [ ! -w "$root/$parent" ]; then conflict "/$parent: no permission to write"; fi
    done <"$work/missing"
}

nearest() { # PATH: sets $nearest, the lowest folder on the way that is there
    nearest=$1
    while [ -n "$nearest" ] && [ ! -d "$root/$nearest" ]; do
        parent "$nearest"
        nearest=$parent
    done
}

free() { # PATH: sets $free (KiB) and $mount
    nearest "$1"
    { read -r _ && read -r _ _ _ free _ mount; } <<TEXT
$(df -Pk "$root/$nearest")
TEXT
}

look_for_room() {
    whole=0 boot=0
    while read -r kind mode size sum package place path target; do
        case $kind in
        file) whole=$((whole + size / 1024 + 4)) ;;
        link | folder) whole=$((whole + 4)) ;;
        *) continue ;;
        esac
        case $place:$path in
        file:tree/boot/*) boot=$((boot + size / 1024 + 4)) ;;
        esac
    done <"$bundle/contents"
    resolve boot
    free "$resolved"
    boot_free=$free boot_mount=$mount
    free "$at"
    if [ "$mount" = "$boot_mount" ]; then
        whole=$((whole + boot))
    elif [ "$boot" -gt "$boot_free" ]; then
        conflict "/boot: not enough room: $boot KiB are needed, $boot_free are free"
    fi
    [ "$whole" -le "$free" ] || conflict "/$at: not enough room: $whole KiB are needed, $free are free"
}

look_outside() {
    missing=
    for library in $outside; do
        found=
        for folder in "$public" "${public#usr/}" usr/lib64 lib64 usr/lib lib; do
            resolve "$folder/$library"
            if [ -e "$root/$resolved" ]; then found=1; fi
        done
        [ -n "$found" ] || missing="$missing $library"
    done
    [ -z "$missing" ] || note "warning: missing here, and what needs them will not start:$missing"
}

