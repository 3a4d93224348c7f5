// createList returns a function that shows items as the children of list. The node of an
// item, which make makes and show brings up to date, stays as long as the item is there:
// a click must not be lost because something else has changed since the button was pressed.
export function createList(list, { key, make, show }) {
  const nodes = new Map();
  return (items) => {
    const keys = new Set(items.map(key));
    for (const [k, node] of nodes) {
      if (keys.has(k)) continue;
      node.remove();
      nodes.delete(k);
    }
    let next = list.firstElementChild;
    for (const item of items) {
      const k = key(item);
      if (!nodes.has(k)) nodes.set(k, make(item));
      const node = nodes.get(k);
      show(node, item);
      if (node === next) next = node.nextElementSibling;
      else list.insertBefore(node, next);
    }
  };
}
