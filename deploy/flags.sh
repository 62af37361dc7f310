# shellcheck shell=bash
# What is wanted: flags, the environment, and what everything is called.

parse() {
  project=${DEPLOY_PROJECT:-} region=${DEPLOY_REGION:-} bucket=${DEPLOY_BUCKET:-} prefix=${DEPLOY_PREFIX-novels}
  schedule=${DEPLOY_SCHEDULE:-0 * * * *} memory=${DEPLOY_MEMORY:-1Gi} name=${DEPLOY_NAME:-novelsync}
  alert=${DEPLOY_ALERT:-} instances=${DEPLOY_INSTANCES:-10}
  settings=() viewers=()
  url=${SUPABASE_URL:-} key=${SUPABASE_SECRET_KEY:-${SUPABASE_SERVICE_ROLE_KEY:-}}
  alert_url=${NOVELSYNC_ALERT_URL:-} notify_url=${NOVELSYNC_NOTIFY_URL:-} notify_secret=${NOVELSYNC_NOTIFY_SECRET:-}
  unset SUPABASE_SECRET_KEY SUPABASE_SERVICE_ROLE_KEY NOVELSYNC_ALERT_URL NOVELSYNC_NOTIFY_URL NOVELSYNC_NOTIFY_SECRET # what is started here does not find it in its environment
  events='' fanout='' rotate='' dry_run='' delete='' yes='' remark=''
  local flag value
  while IFS= read -r value; do [ -z "$value" ] || settings+=("$value"); done <<<"${DEPLOY_SET:-}"
  while IFS= read -r value; do [ -z "$value" ] || viewers+=("$value"); done <<<"${DEPLOY_VIEWER:-}"
  while [ $# -gt 0 ]; do
    flag=$1
    shift
    case $flag in
      --events) events=1 && continue ;;
      --fanout) fanout=1 && continue ;;
      --rotate-key) rotate=1 && continue ;;
      --dry-run) dry_run=1 && continue ;;
      --delete) delete=1 && continue ;;
      --yes) yes=1 && continue ;;
      -h | --help) usage && exit 0 ;;
      --*=*) value=${flag#*=} flag=${flag%%=*} ;;
      *key* | *KEY*) misused "a key is no flag: the list of processes would show it. Set SUPABASE_SECRET_KEY, or wait to be asked" ;;
      --*)
        if [ $# = 0 ]; then misused "$flag needs a value"; fi
        value=$1
        shift
        ;;
      *) misused "a value stands alone, without its flag" ;; # not shown: it may be a key
    esac
    case $value in *$'\n'*) misused "$flag has more than one line" ;; esac
    case $flag in
      --project) project=$value ;;
      --region) region=$value ;;
      --bucket) bucket=$value ;;
      --prefix) prefix=$value ;;
      --schedule) schedule=$value ;;
      --memory) memory=$value ;;
      --set) settings+=("$value") ;;
      --name) name=$value ;;
      --viewer) viewers+=("$value") ;;
      --alert) alert=$value ;;
      --instances) instances=$value ;;
      *) misused "there is no $flag" ;;
    esac
  done
}

# matches VALUE PATTERN: the whole of it, and not only one of its lines.
matches() {
  local LC_ALL=C
  [[ $1 =~ ^($2)$ ]]
}

# Everything that can be told without asking anybody.
check_flags() {
  local missing='' setting viewer
  if [ -z "$project" ]; then missing="$missing --project"; fi
  if [ -z "$region" ]; then missing="$missing --region"; fi
  if [ -z "$bucket$delete" ]; then missing="$missing --bucket"; fi
  if [ -n "$missing" ]; then misused "not said:$missing"; fi
  matches "$project" '[a-z][a-z0-9-]{4,28}[a-z0-9]' || misused "--project is '$project': its id is meant, not its name or number"
  matches "$region" '[a-z]+-[a-z]+[0-9]+' || misused "--region is '$region': a region is meant, europe-west1 for instance"
  bucket=${bucket#gs://} bucket=${bucket%/} prefix=${prefix#/} prefix=${prefix%/}
  # It goes into the settings of the functions, which are separated by |.
  case $prefix in *'|'* | *[[:cntrl:]]*) misused "--prefix cannot have | or characters that are not shown" ;; esac
  [ -z "$bucket" ] || matches "$bucket" '[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]' || misused "--bucket is '$bucket': a bucket's name is meant; the folder in it is --prefix"
  matches "$name" '[a-z][a-z0-9-]{1,18}[a-z0-9]' || misused "--name is '$name': 3 to 20 small letters, digits and hyphens"
  [ -z "$alert" ] || matches "$alert" '[^ ,@]+@[^ ,@]+' || misused "--alert is '$alert': an email address is meant"
  matches "$instances" '[1-9][0-9]?|100' || misused "--instances is '$instances': a number from 1 to 100 is meant"
  # Not shown: whoever has it can write there.
  [ -z "$alert_url" ] || matches "$alert_url" 'https://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?][!-~]*)?' ||
    misused "NOVELSYNC_ALERT_URL is not an address that begins with https://"
  local address='https://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?][!-+.-~-]*)?' secret_='whsec_[A-Za-z0-9+/]{32,86}={0,2}'
  [ -z "$notify_url" ] || matches "$notify_url" "$address(, *$address)*" ||
    misused "NOVELSYNC_NOTIFY_URL is not an address that begins with https://, nor several with commas between them"
  [ -z "$notify_secret" ] || matches "$notify_secret" "$secret_(, *$secret_)*" ||
    misused "NOVELSYNC_NOTIFY_SECRET is not whsec_ and what \`openssl rand -base64 32\` prints"
  [ -z "$notify_url" ] || [ -n "$notify_secret" ] ||
    misused "NOVELSYNC_NOTIFY_URL is set and NOVELSYNC_NOTIFY_SECRET, which signs, is not: whsec_ and what \`openssl rand -base64 32\` prints"
  for viewer in ${viewers[@]+"${viewers[@]}"}; do
    matches "$viewer" '(user|group|serviceAccount|domain):[^ ]+' ||
      misused "--viewer is '$viewer': user:ann@example.com, group:…, serviceAccount:… or domain:… is meant; the page is not for all the world"
  done
  for setting in ${settings[@]+"${settings[@]}"}; do
    check_setting "${setting%%=*}" "$setting"
  done
}

check_setting() {
  case $1 in
    NOVELSYNC_STORAGE | NOVELSYNC_SCHEDULER_JOB | NOVELSYNC_FANOUT_TOPIC | GOOGLE_CLOUD_PROJECT | SUPABASE_* | DATABASE_URL | NOVELSYNC_ALERT_URL | NOVELSYNC_NOTIFY_*)
      misused "--set $1: deploy.sh sets it, or keeps it out, itself"
      ;;
  esac
  # A misspelled one would be ignored by the functions, without a word.
  { matches "$1" 'NOVELSYNC_[A-Z_]+' && grep -Fq "validation_alias=\"$1\"" novelsync/settings/model.py; } ||
    misused "--set $1: there is no such setting; README.md lists them"
  case $2 in
    *'|'*) misused "--set $1: a value cannot have a |" ;;
    *=*) ;;
    *) misused "--set $1 has no value: --set $1=VALUE" ;;
  esac
  # The schedule gives up on an answer after 1800 s, and calls again.
  if [ "$1" = NOVELSYNC_TIME_BUDGET ]; then
    { matches "${2#*=}" '[1-9][0-9]{0,3}' && [ "${2#*=}" -le 1700 ]; } || misused "--set $1: seconds, from 1 to 1700"
  fi
}

# The names of all that is made.
name_everything() {
  sync_function=$name-sync status_function=$name-status events_function=$name-events
  job=$name-hourly secret=$name-supabase-key alert_secret=$name-alert-url
  notify_url_secret=$name-notify-url notify_secret_secret=$name-notify-secret
  job_path=projects/$project/locations/$region/jobs/$job
  topic=$name-novels push_subscription=$name-novels-push
  dead_topic=$name-novels-dead # and its subscription
  topic_path=projects/$project/topics/$topic
  storage=gs://$bucket${prefix:+/$prefix}
  sync_account=$name-sync@$project.iam.gserviceaccount.com
  status_account=$name-status@$project.iam.gserviceaccount.com
  events_account=$name-events@$project.iam.gserviceaccount.com
  caller_account=$name-caller@$project.iam.gserviceaccount.com
  build_account=$name-build@$project.iam.gserviceaccount.com
  readers=("$sync_account" "$status_account")
  if [ -n "$events$fanout" ]; then readers+=("$events_account"); fi
  sync_role=$(printf %s "$name" | tr - _)_sync
  status_role=$(printf %s "$name" | tr - _)_status
  alert_name="$name status in $region"
}
