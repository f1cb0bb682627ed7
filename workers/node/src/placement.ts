/** Whether a node may take chunks of a placement class (`any`, `node=a,node=b,label=k~v`): one of the nodes, all of the labels. */
export function satisfies(placementClass: string, node: string, labels: Readonly<Record<string, string>>): boolean {
  if (placementClass === 'any') return true;
  const parts = placementClass.split(',');
  const nodes = parts.filter((part) => part.startsWith('node=')).map((part) => part.slice(5));
  if (nodes.length > 0 && !nodes.includes(node)) return false;
  return parts
    .filter((part) => part.startsWith('label='))
    .every((part) => {
      const [key = '', value = ''] = part.slice(6).split('~').map(decodeURIComponent);
      return labels[key] === value;
    });
}
