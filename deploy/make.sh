# shellcheck shell=bash
# What is made: each step finds what is there, and makes or updates it.

enable_apis() {
  step "APIs"
  local apis=(run cloudfunctions cloudbuild artifactregistry cloudscheduler secretmanager storage iam) api urls=()
  if [ -n "$alert$alert_url" ]; then apis+=(monitoring); fi
  if [ -n "$events$fanout" ]; then apis+=(pubsub); fi
  for api in "${apis[@]}"; do urls+=("$api.googleapis.com"); done
  run gcloud services enable "${urls[@]}" "--project=$project"
}

make_account() {
  look gcloud iam service-accounts describe "$1" "--project=$project"
  case $verbs in create*)
    remark_for create
    run gcloud iam service-accounts create "${1%%@*}" "--display-name=$2" "--project=$project"
    ;;
  esac
}

make_accounts() {
  step "Service accounts"
  make_account "$sync_account" "NovelSync: syncs"
  make_account "$status_account" "NovelSync: shows the status"
  if [ -n "$events$fanout" ]; then make_account "$events_account" "NovelSync: syncs single novels"; fi
  make_account "$caller_account" "NovelSync: calls the functions"
  make_account "$build_account" "NovelSync: builds the functions"
}

# make_role ID TITLE PERMISSIONS ACCOUNT: Cloud Scheduler has no rights for a single job, and its ready-made roles allow
# to delete.
make_role() {
  local verb details=("--title=$2" "--permissions=$3" --stage=GA "--project=$project")
  look gcloud iam roles describe "$1" '--format=value(deleted)' "--project=$project"
  if [ -n "$dry_run" ] || [ "$(tr '[:upper:]' '[:lower:]' <"$scratch/out")" = true ]; then
    remark_for undelete
    run gcloud iam roles undelete "$1" "--project=$project"
  fi
  for verb in $verbs; do
    remark_for "$verb"
    run gcloud iam roles "$verb" "$1" "${details[@]}"
  done
  grant_in_project "$4" "projects/$project/roles/$1"
}

grant_in_project() {
  run_patiently gcloud projects add-iam-policy-binding "$project" "--member=serviceAccount:$1" "--role=$2" --condition=None
}

make_roles() {
  step "Rights"
  local get=cloudscheduler.jobs.get
  make_role "$sync_role" "NovelSync: start, stop and run the schedule" \
    "$get,cloudscheduler.jobs.run,cloudscheduler.jobs.pause,cloudscheduler.jobs.enable" "$sync_account"
  make_role "$status_role" "NovelSync: see the schedule" "$get" "$status_account"
  # New projects give the default build account no rights any more.
  grant_in_project "$build_account" roles/cloudbuild.builds.builder
}

make_bucket() {
  step "Bucket gs://$bucket"
  if [ -n "$bucket_verb" ]; then
    remark_for create
    run gcloud storage buckets create "gs://$bucket" "--location=$region" --uniform-bucket-level-access \
      --public-access-prevention "--project=$project"
    say "  ${dry_run:+if it is made here, }it is new and empty. To bring a folder there:"
    say "    $(bring_novels)"
  fi
  # The status only lists. The only ready-made role with no more than that is a legacy one, which shows the settings of the
  # bucket instead: not worth a difference between the two.
  local reader
  for reader in "${readers[@]}"; do
    run_patiently gcloud storage buckets add-iam-policy-binding "gs://$bucket" "--member=serviceAccount:$reader" \
      --role=roles/storage.objectViewer
  done
}

make_secret() {
  step "Secret"
  create_secret "$secret"
  store_key
  let_read "$secret" "${readers[@]}"
}

create_secret() {
  look gcloud secrets describe "$1" "--project=$project"
  case $verbs in create*)
    remark_for create
    run gcloud secrets create "$1" --replication-policy=automatic "--project=$project"
    ;;
  esac
}

# let_read SECRET ACCOUNT…
let_read() {
  local what=$1 reader
  shift
  for reader in "$@"; do
    run_patiently gcloud secrets add-iam-policy-binding "$what" "--member=serviceAccount:$reader" \
      --role=roles/secretmanager.secretAccessor --condition=None "--project=$project"
  done
}

# Sets $key_version. A version is pinned, because a function resolves it when an instance starts: with `latest`, old
# instances and new ones would use different keys.
store_key() {
  local add=(gcloud secrets versions add "$secret" --data-file=- '--format=value(name.basename())' "--project=$project")
  if [ -n "$dry_run" ]; then
    # shellcheck disable=SC2016 # to be expanded by whoever runs that line
    printf '%s < <(printf %%s "$SUPABASE_SECRET_KEY")  # $KEY_VERSION, if the key is another\n' "$(show "${add[@]}")"
    key_version="\$KEY_VERSION"
  elif [ "$key" = "$stored_key" ] || { [ -n "$unreadable" ] && [ -z "$rotate" ]; }; then
    key_version=$stored_version
  else
    # printf is no process: the key is on no command line. And no newline behind it.
    printf %s "$key" | "${add[@]}" >"$scratch/out" 2>"$scratch/err" || give_up "${add[@]}"
    key_version=$(cat "$scratch/out")
  fi
}

# deploy_function NAME ENTRY_POINT ACCOUNT SETTINGS FLAG…: the settings are those of its own, each with a | before it; the
# flags say its memory, its time and how many there may be.
deploy_function() {
  local function=$1 entry_point=$2 service_account=$3 own=$4 environment setting secrets
  shift 4
  # Separated by |, because a value may have a comma.
  environment="NOVELSYNC_STORAGE=$storage|SUPABASE_URL=$url|NOVELSYNC_SCHEDULER_JOB=$job_path|GOOGLE_CLOUD_PROJECT=$project$own"
  for setting in ${settings[@]+"${settings[@]}"}; do environment="$environment|$setting"; done
  secrets="SUPABASE_SECRET_KEY=$secret:$key_version"
  # The one for events never looks at the verdict.
  if [ -n "$alert_version" ] && [ "$entry_point" != novel_changed ]; then
    secrets="$secrets,NOVELSYNC_ALERT_URL=$alert_secret:$alert_version"
  fi
  # And the one that shows the status changes nothing.
  if [ -n "$notify_versions" ] && [ "$entry_point" != status ]; then secrets="$secrets,$notify_versions"; fi
  # A build takes minutes, and its log may have any words: not ten times.
  patience=3 run_patiently gcloud functions deploy "$function" --gen2 "--region=$region" "--runtime=$RUNTIME" --source=. \
    "--entry-point=$entry_point" --trigger-http --no-allow-unauthenticated "$@" --ingress-settings=all --cpu=1 \
    --concurrency=1 --min-instances=0 \
    "--service-account=$service_account" \
    "--build-service-account=projects/$project/serviceAccounts/$build_account" \
    "--set-env-vars=^|^$environment" "--set-secrets=$secrets" "--project=$project"
}

function_url() {
  ask "$1" gcloud functions describe "$2" --gen2 "--region=$region" '--format=value(serviceConfig.uri)' "--project=$project"
}

deploy_functions() {
  step "Function $sync_function (some minutes)"
  # Three instances and not one: the lease in the database is the lock. With one, a second caller would get the
  # platform's 429, and Cloud Scheduler would call again, instead of our "skipped".
  deploy_function "$sync_function" sync "$sync_account" "${fanout:+|NOVELSYNC_FANOUT_TOPIC=$topic_path}" \
    --max-instances=3 "--memory=$memory" --timeout=1800s
  function_url SYNC_URL "$sync_function"
  sync_url=$answer
  step "Function $status_function (some minutes)"
  # With Cloud Storage away the status can take 80 seconds to say so.
  deploy_function "$status_function" status "$status_account" '' --max-instances=3 --memory=512Mi --timeout=180s
  function_url STATUS_URL "$status_function"
  status_url=$answer
}

# allow FUNCTION MEMBER ROLE
allow() {
  run_patiently gcloud run services add-iam-policy-binding "$1" "--member=$2" "--role=$3" --condition=None \
    "--region=$region" "--project=$project"
}

make_job() {
  step "Schedule '$schedule'"
  allow "$sync_function" "serviceAccount:$caller_account" roles/run.invoker
  look gcloud scheduler jobs describe "$job" "--location=$region" "--project=$project"
  local verb
  for verb in $verbs; do
    remark_for "$verb"
    # An update leaves a paused job paused.
    run_patiently gcloud scheduler jobs "$verb" http "$job" "--location=$region" "--schedule=$schedule" --time-zone=Etc/UTC \
      "--uri=$sync_url$ROUTES/novels" --http-method=POST "--oidc-service-account-email=$caller_account" \
      "--oidc-token-audience=$sync_url" --attempt-deadline=1800s --max-retry-attempts=2 --min-backoff=60s \
      --max-backoff=600s --max-doublings=2 "--project=$project"
  done
}

let_viewers_in() {
  if [ -z "${viewers[*]-}" ]; then return; fi
  step "Viewers"
  local viewer
  for viewer in "${viewers[@]}"; do
    allow "$status_function" "$viewer" roles/run.invoker
    allow "$status_function" "$viewer" roles/run.viewer # `gcloud run services proxy` asks for the address
  done
}
