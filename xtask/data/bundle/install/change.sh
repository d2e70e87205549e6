# --- Changing ---------------------------------------------------------------------------------------------------------------

lock() {
    mkdir -p "$root/$state"
    [ -w "$root/$state" ] || stop 1 "/$state: no permission to write"
    until ln -sT "$$" "$root/$state/lock" 2>/dev/null; do
        holder=$(readlink "$root/$state/lock") || continue
        # A zombie, which some containers never bury, is dead too.
        life=Z
        if [ -r "/proc/$holder/stat" ]; then read -r _ _ life _ <"/proc/$holder/stat" || life=Z; fi
        [ "$life" = Z ] || stop 1 "process $holder is at work here; if it is no installer, remove ${root}/$state/lock"
        rm -f "$root/$state/lock"
    done
    locked=1
}

# Removes, deepest first, the empty folders among the lines on standard input.
prune() {
    sort -r | while read -r path rest; do rmdir "$root/$path" 2>/dev/null || :; done
}

stage_content() {
    fresh=$root/$own_at/.$own.xenwright-new
    rm -rf "$fresh"
    cp -R -P "$bundle" "$fresh"
    # Modes as packed, whoever unpacked; the same times for all, which `contents` has from the archive.
    set -- "$fresh/install"
    while read -r kind mode size sum package place path target; do
        [ "$kind:$mode" != file:0755 ] || set -- "$@" "$fresh/$path"
    done <"$bundle/contents"
    chmod -R u=rwX,go=rX "$fresh"
    chmod 0755 "$@"
    set -- "$fresh/install" "$fresh/contents"
    while read -r kind mode size sum package place path target; do
        case $kind:$mode in
        file:0755 | file:0644 | folder:0755) ;;
        file:* | folder:*) chmod "$mode" "$fresh/$path" ;;
        esac
        case $kind in
        file | folder) set -- "$@" "$fresh/$path" ;;
        esac
    done <"$bundle/contents"
    touch -r "$bundle/contents" "$@"
    verify "$fresh" "$contents_sum" >"$work/findings"
    [ ! -s "$work/findings" ] || stop 1 "the copy went wrong: $(cat "$work/findings")"
    mv -T "$fresh" "$root/$own_at/$own"
}

stage_places() {
    while read -r path old_how old_value new_how new_value mode source; do
        case $old_how:$new_how in
        *:-) continue ;;
        -:conf) ! there "$path" || continue ;;
        conf:conf)
            [ "$old_value" != "$new_value" ] || continue
            matches conf "$old_value" "$path" || continue
            ;;
        *)
            if [ "$old_how:$old_value" = "$new_how:$new_value" ] && there "$path"; then continue; fi
            ;;
        esac
        staged "$path"
        rm -f "$staged"
        case $new_how in
        link) ln -sT "$new_value" "$staged" ;;
        *)
            cp "$root/$source" "$staged"
            chmod "$mode" "$staged"
            touch -r "$root/$source" "$staged"
            ;;
        esac
    done <"$work/pairs"
}

# What is left to do once `next` is there; may be begun again at any point.
finish() {
    while read -r path old_how old_value new_how new_value mode source; do
        if [ "$new_how" != - ]; then
            staged "$path"
            if [ -e "$staged" ] || [ -h "$staged" ]; then mv -fT "$staged" "$root/$path"; fi
        elif matches "$old_how" "$old_value" "$path"; then
            rm -f "$root/$path"
        fi
    done <"$work/pairs"
    without "$work/bundles.old" "$work/bundles.new" | while read -r owner _ _ at _; do rm -rf "${root:?}/$at/$owner"; done
    without "$work/folders.old" "$work/folders.new" | prune
    if [ -s "$work/bundles.new" ]; then
        mv -fT "$root/$state/next" "$root/$state/record"
        rm -f "$root/$state/lock"
    else
        rm -f "$root/$state/record" "$root/$state/lock"
        rm -f "$root/$state/next"
        prune <"$work/folders.old"
        rmdir "$root/$state" 2>/dev/null || :
    fi
    locked=
    # The loader finds libraries without its cache, only slower.
    if [ -z "$root" ] && command -v ldconfig >/dev/null 2>&1; then ldconfig || :; fi
}

# Takes away what a run made before it had decided.
undo() {
    while read -r path _; do
        staged "$path"
        rm -f "$staged"
    done <"$work/places.new"
    without "$work/bundles.new" "$work/bundles.old" | while read -r owner _ _ at _; do
        rm -rf "${root:?}/$at/.$owner.xenwright-new" "${root:?}/$at/$owner"
    done
    without "$work/folders.new" "$work/folders.old" | prune
    rm -f "$root/$state/lock"
    locked=
    rm -f "$root/$state/begun"
    without "$work/folders.new" "$work/folders.old" | prune
}

# What a record says is removed and replaced without looking again: no path of it may lead through a link.
straight() { # SUFFIX
    last=/
    { cut -d' ' -f1 "$work/places$1" && cut -d' ' -f1 "$work/folders$1" && cut -d' ' -f4 "$work/bundles$1"; } | while read -r path; do
        parent "$path"
        [ "$parent" != "$last" ] || continue
        last=$parent
        resolve "$parent"
        [ "$resolved" = "$parent" ] || stop 1 "/$parent: has become a link since the interrupted run; put the folder back"
    done
}

interrupted() { [ -e "$root/$state/begun" ] || [ -e "$root/$state/next" ]; }

recover() {
    lock
    rm -f "$root/$state/begun.new"
    load "$root/$state/record" .old
    if [ -e "$root/$state/next" ]; then
        load "$root/$state/next" .new
        straight .old
        straight .new
        pair >"$work/pairs"
        finish
        echo 'finished what an interrupted run began'
    elif [ -e "$root/$state/begun" ]; then
        load "$root/$state/begun" .new
        straight .new
        undo
        echo 'undid what an interrupted run began'
    else
        rm -f "$root/$state/lock"
        locked=
        rmdir "$root/$state" 2>/dev/null || :
    fi
}

change() {
    lock
    load "$root/$state/record" .now
    for part in bundles folders places; do
        cmp -s "$work/$part.old" "$work/$part.now" || stop 1 'another run has just changed the machine: try again'
    done
    save .new >"$root/$state/begun.new"
    mv -fT "$root/$state/begun.new" "$root/$state/begun"
    # Not as a condition: there `set -e` would not end it at the first failure.
    set +e
    (
        set -e
        while read -r path mode; do
            [ -d "$root/$path" ] || mkdir -m "$mode" "$root/$path"
        done <"$work/make"
        [ -z "$copy" ] || stage_content
        stage_places
        # Everything is on the disk before the first thing is replaced.
        sync -f "$root/$state" "$root/$(nearest boot && echo "$nearest")" 2>/dev/null || sync
    )
    status=$?
    set -e
    if [ "$status" != 0 ]; then
        undo
        stop 1 'that failed; nothing was changed'
    fi
    mv -fT "$root/$state/begun" "$root/$state/next"
    finish
}

