# --- What was asked for -----------------------------------------------------------------------------------------------------

resolve var/lib/xenwright
state=$resolved
[ ! -h "$root/$state" ] || stop 1 "/$state is a link"

if [ "$action" = recover ]; then
    [ ! -d "$root/$state" ] || recover
    exit 0
fi

[ -r "$bundle/contents" ] || stop 1 "$bundle/contents is missing: this is no whole bundle"
if [ "$action" = install ]; then
    verify "$bundle" "$contents_sum" >"$work/findings"
    if [ -s "$work/findings" ]; then
        cat "$work/findings" >&2
        stop 1 'the bundle is not what was packed; nothing was touched'
    fi
fi
head_of "$bundle/contents"
own=$name

if interrupted; then
    [ -z "$dry" ] || stop 1 'an interrupted run is to be finished or undone first: install --recover'
    recover
fi
load "$root/$state/record" .old
: >"$work/conflicts"
: >"$work/notes"

# The bundles as they will be.
own_at='' own_sum='' own_state=none active='' former=''
while read -r owner its_slot its_rank at its_sum state_of; do
    resolve "$at"
    [ "$resolved" = "$at" ] || stop 1 "/$at: has become a link since $owner was installed there"
    if [ "$owner" = "$own" ]; then own_at=$at own_sum=$its_sum own_state=$state_of; fi
    case $its_slot:$state_of in
    "$slot:active") active=$owner ;;
    "$slot:former") former=$owner ;;
    esac
done <"$work/bundles.old"
copy=''
if [ "$action" = install ]; then
    if [ -n "$own_at" ] && [ -z "$prefix_given" ]; then prefix=/$own_at; fi
    prefix=${prefix:-/usr/lib/xenwright}
    case $prefix in
    *[[:space:]]*) stop 2 "--prefix $prefix: white space is not possible in the record" ;;
    /?*) ;;
    *) stop 2 "--prefix $prefix: expected an absolute folder, other than /" ;;
    esac
    resolve "$prefix"
    at=$resolved
    [ -n "$own_at" ] || copy=1
    [ -z "$own_at" ] || [ "$own_at" = "$at" ] || stop 2 "$own is under /$own_at: take it away first to have it under $prefix"
    if [ -n "$own_sum" ] && [ "$own_sum" != "$contents_sum" ]; then
        conflict "$own: another bundle of this very name is installed; pack with a higher --revision, or uninstall it"
    elif [ -n "$own_sum" ]; then
        verify "$root/$at/$own" "$own_sum" >>"$work/conflicts"
    fi
    own_at=$at
    if [ -n "$copy" ] && there "$at/$own"; then conflict "/$at/$own: is there already"; fi
elif [ "$own_state" != active ]; then
    stop 1 "$own is not installed${root:+ in $root}${active:+, but $active}"
elif [ -n "$rollback" ] && [ -z "$former" ]; then
    stop 1 "there is no former version of $slot to go back to"
fi
while read -r owner its_slot its_rank at its_sum state_of; do
    case $action:$its_slot:$owner in
    install:"$slot":"$own") ;;
    # Going back needs one former version; what was the former one before goes.
    install:"$slot":"$active")
        echo "$owner $its_slot $its_rank $at $its_sum former"
        ;;
    install:"$slot":*) [ "$own" != "$active" ] || echo "$owner $its_slot $its_rank $at $its_sum $state_of" ;;
    uninstall:"$slot":*)
        if [ -n "$rollback" ] && [ "$owner" = "$former" ]; then
            echo "$owner $its_slot $its_rank $at $its_sum active"
            verify "$root/$at/$owner" "$its_sum" >>"$work/conflicts"
        fi
        ;;
    *) echo "$owner $its_slot $its_rank $at $its_sum $state_of" ;;
    esac
done <"$work/bundles.old" >"$work/bundles.new"
[ "$action" != install ] || echo "$own $slot $rank $own_at $contents_sum active" >>"$work/bundles.new"

choose_libdir
places "$work/bundles.new" >"$work/places.new"
whole
pair >"$work/pairs"
mark_own
folders "$work/bundles.new" "$work/places.new" >"$work/needed"
whole
look_at_places
look_at_folders
if [ -n "$copy" ]; then
    at=$own_at
    look_for_room
fi
[ "$action" != install ] || look_outside
# What goes must be what came.
without "$work/bundles.old" "$work/bundles.new" >"$work/going"
while read -r owner _ _ at its_sum _; do
    verify "$root/$at/$owner" "$its_sum" >>"$work/conflicts"
    [ -w "$root/$at" ] || conflict "/$at: no permission to write"
done <"$work/going"
nearest "$state"
[ -w "$root/$nearest" ] || conflict "/$nearest: no permission to write"

if [ -s "$work/conflicts" ]; then
    echo "$me: conflicts; nothing was touched:" >&2
    sort -u "$work/conflicts" >&2
    exit 1
fi
# Folders of the record that are still needed, and those that this run makes.
without "$work/folders.old" "$work/needed" >"$work/unneeded"
{
    without "$work/folders.old" "$work/unneeded"
    cat "$work/made"
} | sort -u >"$work/folders.new"
while read -r path mode; do
    [ "$mode" != - ] || mode=0755
    echo "$path $mode"
done <"$work/folders.new" >"$work/make"

put=0 gone=0
while read -r path old_how old_value new_how new_value mode source; do
    if [ "$new_how" = - ]; then
        gone=$((gone + 1))
        [ -z "$dry" ] || echo "remove /$path"
    elif [ "$old_how:$old_value" != "$new_how:$new_value" ]; then
        put=$((put + 1))
        [ -z "$dry" ] || echo "put    /$path ($new_how)"
    fi
done <"$work/pairs"
cat "$work/notes"
if [ -n "$dry" ]; then
    echo "$me would put $put and remove $gone places; content: ${copy:+new in }/$own_at/$own"
    exit 0
fi
change
case $action$rollback in
install) echo "$own is installed: $put places put, $gone removed; content in /$own_at/$own" ;;
uninstall) echo "$own is taken away: $gone places removed, $put put" ;;
*) echo "$former is back: $put places put, $gone removed" ;;
esac
