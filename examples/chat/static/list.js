// createList returns a function that shows items as the children of list. make creates the
// node of an item, and show updates it. A node stays as long as its item does: a click must
// not be lost because something else has changed since the mouse button was pressed.
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
