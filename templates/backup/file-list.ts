/**
 * `list_files`: SHA-256 of everything in the staging folder, in its files.sha256; what comes back from a repository is compared with it.
 * What did not change since the last list keeps its line, so a night hashes what came that day. If the bytes of such a file change all the
 * same, a disk is failing, and the restore test says so.
 */
export const listFiles = `list_files() {
  local list=files.sha256 partial="$directory/files.sha256"
  rm -f -- "$partial" "$partial.same" "$partial.rest"
  (
    cd "$staging" || exit 1
    [ -f "$list" ] || touch -d @0 "$list"
    # sha256sum writes a name with a backslash in another way: such a file is always hashed.
    find . -type f ! -name "$list" ! -cnewer "$list" ! -name '*\\\\*' -printf '%p\\n' >"$partial.same"
    {
      # A line without such a file is dropped; such a file without a line is hashed after all.
      awk -v rest="$partial.rest" 'FILENAME == ARGV[1] { same[$0] = 1; next }
        substr($0, 67) in same { print; delete same[substr($0, 67)] }
        END { for (name in same) print name >rest }' "$partial.same" "$list"
      if [ -s "$partial.rest" ]; then tr '\\n' '\\0' <"$partial.rest" | xargs -0 -r sha256sum --; fi
      find . -type f ! -name "$list" \\( -cnewer "$list" -o -name '*\\\\*' \\) -print0 | xargs -0 -r sha256sum --
    } >"$partial"
  ) || return 1
  rm -f -- "$partial.same" "$partial.rest"
  mv -f -- "$partial" "$staging/files.sha256"
}`;
