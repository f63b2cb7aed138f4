/**
 * Weights that follow load (B9). A small service on each director asks all edges for their load at once and leaves one
 * number per edge; keepalived's checker only reads that number, so that a slow answer can never take an edge out.
 */
import { type NamedGroup, type NamedMachine, type Plan, realServers } from './plan.ts';
import { header, type RenderedFile } from './rendered.ts';

/** What keepalived runs: prints nothing, its exit status is the weight plus two; 0 leaves the weight alone. */
export const WEIGHT_SCRIPT = '/usr/local/lib/weir/edge-weight';

/** Steps of the dynamic weight: an edge that is half loaded has half of its steps left. */
export const WEIGHT_STEPS = 10;

/** Service that asks the edges. */
export const WEIGHTS_UNIT = 'weir-weights.service';

const ASK_SCRIPT = '/usr/local/lib/weir/ask-weights';
const FOLDER = '/run/weir-weights';

export function weightFiles(plan: Plan, group: NamedGroup, machine: NamedMachine): RenderedFile[] {
  const { health, ports } = plan.topology;
  const edges = realServers(plan, group).map(({ address, weight }) => `${address}=${weight}`);
  const reaction = { verb: 'restart', unit: WEIGHTS_UNIT } as const;
  return [
    { path: WEIGHT_SCRIPT, mode: '0755', content: readScript() },
    { path: ASK_SCRIPT, mode: '0755', content: askScript(), reaction },
    {
      path: `/etc/systemd/system/${WEIGHTS_UNIT}`,
      reaction,
      content: `${header(machine.name, 'Weights of edges')}[Unit]
Description=Weights of the edges of Weir group ${group.name}
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=${ASK_SCRIPT} ${FOLDER} ${health.weightIntervalSeconds} ${ports.node} ${edges.join(' ')}
RuntimeDirectory=${FOLDER.replace('/run/', '')}
RuntimeDirectoryPreserve=restart
DynamicUser=yes
Restart=always
RestartSec=1
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`,
    },
  ];
}

function readScript(): string {
  return `#!/bin/sh
# Tells keepalived the weight of an edge: edge-weight ADDRESS. Its exit status is the weight plus two.
# No number: 0, the weight stays as it is. Whether the edge lives is judged by another check.
status=''
[ -r "${FOLDER}/$1" ] && read -r status <"${FOLDER}/$1"
exit "\${status:-0}"
`;
}

function askScript(): string {
  return `#!/bin/sh
# Asks edges for their load: ask-weights FOLDER INTERVAL PORT ADDRESS=WEIGHT...
# GET /weight answers 0 (take nothing more) to 100 (idle), as text or as {"weight": N}; an edge that does not know it is
# asked by /readyz whether it drains. FOLDER/ADDRESS then holds the weight in ${WEIGHT_STEPS} steps, plus two. An edge that does not
# answer keeps its number.
folder=$1 interval=$2 port=$3
shift 3
mkdir -p "$folder"
edges=$*
set --
for edge in $edges; do
  address=\${edge%%=*}
  set -- "$@" -o "$folder/.$address.weight" "http://$address:$port/weight" -o "$folder/.$address.ready" "http://$address:$port/readyz"
done
while :; do
  rm -f "$folder"/.*.weight "$folder"/.*.ready
  curl -s --parallel --parallel-max 100 --max-time 2 "$@" 2>/dev/null
  for edge in $edges; do
    address=\${edge%%=*} weight=\${edge#*=} percent='' ready=''
    [ -r "$folder/.$address.weight" ] && read -r percent <"$folder/.$address.weight"
    [ -r "$folder/.$address.ready" ] && read -r ready <"$folder/.$address.ready"
    # the number out of 87 or {"weight": 87}; nothing out of anything else
    percent=\${percent##*\\"weight\\":}
    percent=\${percent# }
    percent=\${percent%%[!0-9]*}
    if [ -n "$percent" ]; then
      steps=$(((percent + ${100 / WEIGHT_STEPS / 2}) / ${100 / WEIGHT_STEPS}))
      [ "$steps" -le ${WEIGHT_STEPS} ] || steps=${WEIGHT_STEPS}
      # a little is not nothing
      if [ "$percent" -gt 0 ] && [ "$steps" -eq 0 ]; then steps=1; fi
    else
      case $ready in
        *drain*) steps=0 ;;
        *ready*) steps=${WEIGHT_STEPS} ;;
        *) continue ;;
      esac
    fi
    echo $((2 + weight * steps)) >"$folder/.new" && mv "$folder/.new" "$folder/$address"
  done
  sleep "$interval" &
  wait $!
done
`;
}
