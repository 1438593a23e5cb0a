#!/bin/sh
# Install VS Code for a browser into the folder $1, from npm alone. Scripts of packages are not run, since they would
# fetch what the tests do not need; native modules are built against the headers of the system's Node.js 20.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$1"
cd "$1"
[ -e installed ] && exit 0
cp "$here/package.json" .
export npm_config_nodedir="${npm_config_nodedir:-/usr}" npm_config_audit=false npm_config_fund=false
export npm_config_yes=true  # node-pty builds by npx node-gyp
npm install --ignore-scripts
(
  cd node_modules/code-server/lib/vscode
  npm install --ignore-scripts --omit=dev
  npm rebuild node-pty @vscode/spdlog native-watchdog @parcel/watcher
  ln -sfn node_modules node_modules.asar
)
npm rebuild argon2
touch installed
