# shellcheck shell=bash
# Before anything is touched.

readonly OLDEST_GCLOUD=500 # the commands were checked with 528

check_tools() {
  local version
  has_alpha=1
  if [ -n "$dry_run" ]; then return; fi
  command -v gcloud >/dev/null || die "gcloud is not there" "install it: https://cloud.google.com/sdk/docs/install"
  command -v curl >/dev/null || die "curl is not there" "install it"
  # For JSON; gcloud needs one as well, but may bring its own.
  command -v python3 >/dev/null || die "python3 is not there" "install Python 3"
  quietly gcloud version --format='value("Google Cloud SDK",alpha)' || give_up gcloud version
  version=$(cut -f 1 "$scratch/out") has_alpha=$(cut -s -f 2 "$scratch/out")
  if [ "${version%%.*}" -lt "$OLDEST_GCLOUD" ]; then
    die "gcloud is too old: $version, and $OLDEST_GCLOUD is needed" "gcloud components update"
  fi
  if [ -n "$alert" ] && [ -z "$has_alpha$delete" ]; then
    die "--alert needs gcloud's alpha commands" "gcloud components install alpha; or leave --alert out"
  fi
}

check_login() {
  ask ACCOUNT gcloud auth list --filter=status:ACTIVE '--format=value(account)'
  if [ -z "$answer" ]; then die "nobody is logged in" "gcloud auth login"; fi
  account=$answer
}

check_project() {
  local look_at=(gcloud projects describe "$project" '--format=value(projectNumber,lifecycleState)')
  if [ -n "$dry_run" ]; then
    remark="\$PROJECT_NUMBER"
    show "${look_at[@]}"
    project_number="\$PROJECT_NUMBER"
    return
  fi
  if ! quietly "${look_at[@]}"; then
    say "$(sed 's/^/    /' "$scratch/err")"
    die "there is no project $project, or $account may not see it" \
      "gcloud projects list shows yours; gcloud auth login, if that account is the wrong one or has expired"
  fi
  local state
  read -r project_number state <"$scratch/out"
  if [ "$state" != ACTIVE ]; then
    die "the project $project is $state" "gcloud projects undelete $project, or take another one"
  fi
}

check_billing() {
  local look_at=(gcloud billing projects describe "$project" '--format=value(billingEnabled)')
  if [ -n "$dry_run" ]; then
    show "${look_at[@]}"
  elif ! quietly "${look_at[@]}"; then
    # Whoever may deploy need not be allowed to see this; without billing a later step says so, too.
    say "  (whether billing is enabled could not be seen; going on)"
  elif [ "$(tr '[:upper:]' '[:lower:]' <"$scratch/out")" != true ]; then
    die "the project $project has no billing account; functions cannot be built without" \
      "gcloud billing accounts list; gcloud billing projects link $project --billing-account=…"
  fi
}

check_bucket() {
  local look_at=(gcloud storage buckets describe "gs://$bucket" '--format=value(location)')
  if [ -n "$dry_run" ]; then
    show "${look_at[@]}"
    bucket_verb=create
  elif quietly "${look_at[@]}"; then
    bucket_verb=''
  elif is_absent; then
    bucket_verb=create
  else
    say "$(sed 's/^/    /' "$scratch/err")"
    die "there is a bucket gs://$bucket, and $account may not see it" \
      "bucket names are shared with all the world: take another one; or have its owner let you in"
  fi
}

# Of what gcloud listed, the numbers, the newest last.
enabled_versions() { awk -F '\t' 'toupper($2) == "ENABLED" { print $1 }' "$scratch/out" | sort -n; }

# From the environment, or what is stored already, or asked for.
take_key() {
  stored_key='' stored_version='' enabled='' unreadable=''
  local list=(gcloud secrets versions list "$secret" '--format=value(name.basename(),state)' "--project=$project")
  local access=(gcloud secrets versions access)
  if [ -n "$dry_run" ]; then
    url=${url:-\$SUPABASE_URL}
    remark="\$KEY_VERSION"
    show "${list[@]}"
    show "${access[@]}" "\$KEY_VERSION" "--secret=$secret" "--project=$project"
    return
  fi
  if [ -z "$url" ]; then
    if [ ! -t 0 ]; then die "SUPABASE_URL is not set" "set it to the project's address, https://<ref>.supabase.co"; fi
    read -r -p 'SUPABASE_URL (https://<ref>.supabase.co): ' url || true
  fi
  url=${url%/}
  # Not shown: it may be a key.
  matches "$url" 'https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?' ||
    die "SUPABASE_URL is not an address" "set it to the project's, https://<ref>.supabase.co"
  matches "$url" '(https://|http://(localhost|127\.0\.0\.1)([:/]|$)).*' ||
    die "SUPABASE_URL is not https: the key would travel for all to read" "set it to https://<ref>.supabase.co"
  # A first deployment has none, and whoever deploys need not be allowed to read it.
  if quietly "${list[@]}"; then enabled=$(enabled_versions) stored_version=${enabled##*$'\n'}; fi
  if [ -n "$stored_version" ]; then
    stored_key=$("${access[@]}" "$stored_version" "--secret=$secret" "--project=$project" 2>/dev/null </dev/null) || unreadable=1
  fi
  if [ -z "$key" ] && [ -z "$rotate" ]; then key=$stored_key; fi
  if [ -z "$key" ]; then
    if [ ! -t 0 ]; then
      die "SUPABASE_SECRET_KEY is not set" "set it to the project's secret key (sb_secret_…), or call this from a terminal to be asked"
    fi
    IFS= read -r -s -p 'SUPABASE_SECRET_KEY (sb_secret_…, is not shown): ' key || true
    say ''
  fi
  # Whether it is the key that was given cannot be told, and adding one each time would never end.
  if [ -n "$unreadable" ] && [ -z "$rotate" ]; then
    say "  (the stored key, version $stored_version, may not be read by $account: it stays in use, whether or not it is the key"
    say "  that was given, which is only tried; to store that one: --rotate-key)"
  fi
  case $key in
    sb_publishable_*)
      die "this is the publishable key (sb_publishable_…), which is for readers" \
        "take the secret key (sb_secret_…) from the project's settings"
      ;;
    '' | *[!A-Za-z0-9._~+/=-]*) die "the key is empty, or has characters that no key has" "copy the secret key once more" ;;
  esac
  case $key in
    eyJ*)
      say "  (this is a legacy key. Supabase switches those off, anon and service_role together: make a secret key (sb_secret_…)"
      say "  in the project's settings, and take it into use with --rotate-key; and give the site a publishable key)"
      ;;
  esac
  # With an older one still enabled, a rotation was cut after it had stored this key, and goes on.
  if [ -n "$rotate" ] && [ "$key" = "$stored_key" ] && [ "$enabled" = "$stored_version" ]; then
    die "--rotate-key: this is the key that is in use" "make a new secret key in Supabase's settings, and give that one"
  fi
}

readonly MIGRATE="DATABASE_URL=… novelsync migrate (the session pooler's address: the direct host has no IPv4); or supabase db push; or paste what novelsync migrate --print prints into the SQL editor"

check_database() {
  if [ -n "$dry_run" ]; then return; fi
  local status
  if ! status=$(call_database); then
    say "$(sed 's/^/    /' "$scratch/err")"
    die "the database cannot be reached at $url" "check SUPABASE_URL and the network; is the project still there?"
  fi
  case $status in
    200)
      read_database ||
        die "$url does not answer as Supabase does" "SUPABASE_URL is https://<ref>.supabase.co, as the project's settings show it"
      # Functions of this clone would refuse to run with it, each hour anew.
      if is_outdated; then
        die "the database at $url is older than this clone: its newest migration is $schema, and $newest is needed" "$MIGRATE"
      fi
      ;;
    401 | 403)
      die "$url does not accept the key ($status)" \
        "take the secret key (sb_secret_…) from the project's settings; the publishable (anon) key is not enough"
      ;;
    404)
      die "the database at $url has not been migrated" \
        "$MIGRATE. If that is done, run there: notify pgrst, 'reload schema'"
      ;;
    540) die "the Supabase project at $url is paused" "restore it in its dashboard" ;;
    *) die "the database at $url answers with status $status" "look at the project's dashboard, and call deploy.sh again" ;;
  esac
}
