/**
 * Objects of MinIO with all that belongs to them: bytes, content type, the other headers that a browser gets, user metadata, tags.
 * `mc mirror` brings bytes and names only; the rest is asked for and lies beside them in objects.json, one object a line:
 * `{key, size, lastModified, etag, metadata, expires?, tags?}`, key with the bucket before it. An object that changed while it was
 * copied has no etag: its file is one of its versions, and nobody can say which.
 */

/** `minio_client_run MODE FOLDER CONTAINER CONFIG SCRIPT`: mc in the network of MinIO's container; FOLDER is /backup. */
export const minioClientRun = `minio_client_run() {
  local mode=$1 folder=$2 container=$3 config=$4
  # Of a run that was killed.
  docker rm --force im-backup-mirror-minio >/dev/null 2>&1 || :
  timeout 21600 docker run --rm --interactive --name im-backup-mirror-minio --network "container:$container" --user 0:0 "\${bounds[@]}" \\
    --volume "$folder:/backup:$mode" --entrypoint sh "$(image_of "$container")" -c '
      umask 077
      mkdir -p /dev/shm/mc && cat >/dev/shm/mc/config.json || exit 1
      client() { mc --config-dir /dev/shm/mc --no-color "$@"; }
      '"$5" <"$config"
}

# refuse_errors FILE: mc's answers may say that something is not there (an empty store, an object that was deleted meanwhile).
refuse_errors() { ! jq --compact-output 'select(.status == "error" and (.error.cause.message // "" | contains("does not exist") | not)) | .error.message, .error.cause.message' "$1" | grep . >&2; }`;

const newAndWhole = `.new and .etag != null and (.etag | contains("-") | not)`;

/** What every description of an object is brought to, so that two of them can be compared. */
const described = `
  def kept: with_entries(select(.key | test("^(content-(type|encoding|language|disposition)|cache-control|x-amz-meta-.*)$"; "i")));
  def described: {size, etag, metadata: ((.metadata // {}) | kept)} + (if .expires then {expires} else {} end);`;

/**
 * `save_minio`: brings $staging/minio up to date. Only what is new since the last run is copied, described and compared with its
 * ETag, so a night costs what came that day and a listing.
 */
export const saveObjects = `${minioClientRun}

save_minio() {
  local folder="$staging/minio" round bad
  mkdir -p -m 0700 -- "$folder/objects"
  [ -f "$folder/objects.json" ] || : >"$folder/objects.json"
  for round in 1 2; do
    rm -f -- "$folder/after.json"
    # A folder that became an object would be in the way of a file, that of a bucket that is gone in the way of mc itself.
    find "$folder/objects" -mindepth 1 -depth -type d -empty -delete
    # An object that is deleted under its hands stops a mirror: the first round may fail.
    if ! minio_client_run rw "$folder" "$minio_container" "$minio_client" '
      client --json ls --recursive suite >/backup/before.json
      client --quiet mirror --overwrite --remove suite /backup/objects >/backup/mirror.log || { tail -n 3 /backup/mirror.log >&2; exit 1; }
      client --json ls --recursive suite >/backup/after.json'; then
      if [ "$round" = 2 ]; then return 1; else continue; fi
    fi
    if ! refuse_errors "$folder/before.json" || ! refuse_errors "$folder/after.json"; then return 1; fi
    # Settled is what stood there unchanged from before to after: the suite goes on writing and deleting.
    jq --null-input --compact-output --slurpfile before "$folder/before.json" --slurpfile after "$folder/after.json" --slurpfile last "$folder/objects.json" '
      ($before | map(select(.type == "file") | {key, value: .etag}) | from_entries) as $was |
      ($last | map(select(.etag != null) | {key, value: .}) | from_entries) as $known |
      $after[] | select(.type == "file") | {key, size, lastModified, etag: (if $was[.key] == .etag then .etag else null end)} |
      if .etag != null and $known[.key].etag == .etag and $known[.key].lastModified == .lastModified then $known[.key] else . + {new: true} end' >"$folder/listed.json" || return 1
    bad=$(different_objects "$folder") || return 1
    [ -n "$bad" ] || break
    if [ "$round" = 2 ]; then echo "objects did not come over whole: $(head -n 3 <<<"$bad" | paste -s -d ' ')" >&2; return 1; fi
    while IFS= read -r key; do rm -f -- "$folder/objects/$key"; done <<<"$bad"
  done
  describe_objects "$folder" || return 1
  rm -f -- "$folder"/{mirror.log,before.json,after.json,listed.json,present,new,described.json,tagged,tags.json}
}

# different_objects FOLDER: settled objects whose file is missing, or new and not what MinIO's own ETag says. The ETag of an object
# that was stored in one piece is its MD5.
different_objects() {
  local folder=$1
  find "$folder/objects" -type f -printf '%P\\n' | sort >"$folder/present"
  {
    comm -23 <(jq --raw-output 'select(.etag != null) | .key' "$folder/listed.json" | sort) "$folder/present"
    comm -23 \\
      <(jq --raw-output 'select(${newAndWhole}) | .etag + "  " + .key' "$folder/listed.json" | sort) \\
      <(jq --join-output 'select(${newAndWhole}) | .key + "\\u0000"' "$folder/listed.json" |
        (cd "$folder/objects" && { xargs -0 -r md5sum --zero -- 2>/dev/null || :; }) | tr '\\0' '\\n' | sort) | cut -c 35-
  } | sort -u
}

# describe_objects FOLDER: asks for the metadata of what is new, and writes objects.json.
describe_objects() {
  local folder=$1
  jq --raw-output 'select(.new) | .key' "$folder/listed.json" >"$folder/new"
  : >"$folder/described.json"
  if [ -s "$folder/new" ]; then
    # Few are asked for by name; one that is gone by now stops that, and many are cheaper by one walk through all.
    minio_client_run rw "$folder" "$minio_container" "$minio_client" '
      by_name() {
        set --
        while IFS= read -r key; do
          set -- "$@" "suite/$key"
          if [ "$#" -ge 100 ]; then client --json stat --no-list "$@" || return 1; set --; fi
        done
        [ "$#" -eq 0 ] || client --json stat --no-list "$@"
      }
      if [ "$(wc -l </backup/new)" -gt 2000 ] || ! by_name </backup/new >/backup/described.json; then
        client --json stat --recursive suite >/backup/described.json || :
      fi' || return 1
    refuse_errors "$folder/described.json" || return 1
  fi
  # By name mc prints only the last part of it, but one answer a question, in the same order.
  jq --null-input --compact-output --rawfile names "$folder/new" --slurpfile described "$folder/described.json" --slurpfile listed "$folder/listed.json" '${described}
    ($names | split("\\n") | map(select(. != ""))) as $new |
    (if ($described | length) == ($new | length) and ([$new, $described] | transpose | all((.[1].name // "") as $name | .[0] | endswith($name)))
      then [$new, $described] | transpose | map({key: .[0], value: .[1]})
      else $described | map(select(.status == "success") | {key: .name, value: .}) end | from_entries) as $found |
    $listed[] | if .new then . as $object | del(.new) | if $found[.key] then
        . + ($found[.key] | described | del(.etag, .size)) + (if $found[$object.key].metadata["X-Amz-Tagging-Count"] then {tagged: true} else {} end)
      else . + {metadata: {}, etag: null} end else . end' >"$folder/objects.partial" || return 1
  jq --raw-output 'select(.tagged) | .key' "$folder/objects.partial" >"$folder/tagged"
  : >"$folder/tags.json"
  if [ -s "$folder/tagged" ]; then
    minio_client_run rw "$folder" "$minio_container" "$minio_client" '
      while IFS= read -r key; do client --json tag list "suite/$key" || echo "{}"; done </backup/tagged >/backup/tags.json' || return 1
  fi
  jq --null-input --compact-output --rawfile names "$folder/tagged" --rawfile present "$folder/present" --slurpfile tags "$folder/tags.json" --slurpfile objects "$folder/objects.partial" '
    ([$names | split("\\n") | map(select(. != "")), $tags] | transpose | map({key: .[0], value: .[1].tagset}) | from_entries) as $tagset |
    ($present | split("\\n") | map({key: ., value: true}) | from_entries) as $there |
    $objects[] | select($there[.key]) | if .tagged then del(.tagged) + {tags: $tagset[.key]} else . end' >"$folder/objects.done" || return 1
  rm -f -- "$folder/objects.partial"
  mv -f -- "$folder/objects.done" "$folder/objects.json"
}`;

/**
 * `put_objects FOLDER PLAN CONTAINER CONFIG [KEYS]`: puts the objects of FOLDER (objects.json, objects/), or only those whose keys are
 * in the file KEYS, into a MinIO, where they are not there as they should be, and compares what MinIO then has with the list. PLAN is
 * a new folder on the same file system. Prints how many it put and the keys that still differ.
 */
export const putObjects = `put_objects() {
  local folder=$1 plan=$2 container=$3 config=$4 keys=\${5:-} group
  mkdir -p -m 0700 -- "$plan"
  if [ -n "$keys" ]; then
    jq --compact-output --rawfile keys "$keys" --null-input '($keys | split("\\n") | map({key: ., value: true}) | from_entries) as $wanted | inputs | select($wanted[.key])' "$folder/objects.json" >"$plan/wanted.json" || return 1
  else
    cp -- "$folder/objects.json" "$plan/wanted.json"
  fi
  jq --raw-output '.key | split("/")[0]' "$plan/wanted.json" | sort -u >"$plan/buckets"
  minio_client_run rw "$plan" "$container" "$config" '
    while IFS= read -r bucket; do client mb --ignore-existing "suite/$bucket" >/dev/null || exit 1; done </backup/buckets
    client --json stat --recursive suite >/backup/live.json || :' || return 1
  refuse_errors "$plan/live.json" || return 1
  different_from_list "$plan" | jq --slurp --compact-output 'group_by([.metadata, .tags, .expires])[]' >"$plan/groups" || return 1
  # mc gives every object of one call the same headers: one folder of links for each kind.
  group=0
  while IFS= read -r objects; do
    group=$((group + 1))
    mkdir -- "$plan/$group"
    jq --join-output '.[] | .key + "\\u0000"' <<<"$objects" | (cd "$folder/objects" && xargs -0 cp --link --parents --target-directory "$plan/$group" --) || return 1
    # mc reads quotes as a shell does: no character in them means anything, a quote itself stands in the other quotes.
    jq --join-output --arg quote "'" '.[0].metadata | to_entries | map(.key + "=" + $quote + (.value | gsub($quote; $quote + "\\"" + $quote + "\\"" + $quote)) + $quote) | join(";")' <<<"$objects" >"$plan/$group.headers"
    jq --join-output '.[0].tags // {} | to_entries | map((.key | @uri) + "=" + (.value | @uri)) | join("&")' <<<"$objects" >"$plan/$group.tags"
    jq --join-output '.[0].expires // empty | fromdateiso8601 | strftime("Expires: %a, %d %b %Y %H:%M:%S GMT")' <<<"$objects" >"$plan/$group.expires"
  done <"$plan/groups"
  if [ "$group" -gt 0 ]; then
    minio_client_run ro "$plan" "$container" "$config" '
      put() {
        headers=$(cat "/backup/$1.headers") tags=$(cat "/backup/$1.tags") expires=$(cat "/backup/$1.expires")
        for bucket in "/backup/$1"/*/; do
          set -- "$bucket" "suite/$(basename "$bucket")/"
          if [ -n "$headers" ]; then set -- --attr "$headers" "$@"; fi
          if [ -n "$tags" ]; then set -- --tags "$tags" "$@"; fi
          if [ -n "$expires" ]; then set -- --custom-header "$expires" "$@"; fi
          client --quiet cp --recursive "$@" >/dev/null || return 1
        done
      }
      group=0
      while [ "$group" -lt '"$group"' ]; do
        waiting=""
        for lane in 1 2 3 4; do
          group=$((group + 1))
          if [ "$group" -le '"$group"' ]; then put "$group" & waiting="$waiting $!"; fi
        done
        for one in $waiting; do wait "$one" || exit 1; done
      done' || return 1
  fi
  minio_client_run rw "$plan" "$container" "$config" 'client --json stat --recursive suite >/backup/live.json || :' || return 1
  refuse_errors "$plan/live.json" || return 1
  printf '%s\\n' "$(jq --slurp 'map(length) | add // 0' "$plan/groups")"
  different_from_list "$plan" | jq --raw-output .key
}

# different_from_list PLAN: objects of the list that MinIO does not have, or with other bytes or other metadata. Two copies of a big
# object may be cut into different parts and so have different ETags: their sizes are compared.
different_from_list() {
  jq --null-input --compact-output --slurpfile wanted "$1/wanted.json" --slurpfile live "$1/live.json" '${described}
    def whole: .etag // "-" | contains("-") | not;
    ($live | map(select(.status == "success") | {key: .name, value: described}) | from_entries) as $there |
    $wanted[] | select(. as $object | $there[.key] as $now | $now == null or $now.size != .size or (whole and ($now | whole) and $now.etag != .etag) or $now.metadata != (.metadata | kept) or $now.expires != .expires)'
}`;
