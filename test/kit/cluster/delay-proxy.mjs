// delay-proxy PORT HOST MS: passes TCP connections on to HOST:PORT and holds back what passes, either way, for so many
// milliseconds. Not every kernel has netem.
import { connect, createServer } from 'node:net';

const [port, host, ms] = process.argv.slice(2);

function passOn(from, to) {
  // What ends late, ends in the order it came: all delays are the same.
  // oxlint-disable-next-line no-restricted-globals -- a delay is what this is for
  const later = (act) => setTimeout(() => act(), Number(ms));
  from.on('data', (data) => later(() => to.write(data)));
  from.on('close', () => later(() => to.destroy()));
  from.on('error', () => from.destroy());
}

createServer((client) => {
  const server = connect(Number(port), host);
  passOn(client, server);
  passOn(server, client);
}).listen(Number(port), '0.0.0.0', () => console.log('ready'));
