"""Shortest paths in a graph that nobody sees, from a secret source: Dijkstra's algorithm, an edge at a time.

The edges of a vertex stand one after the other, each as (other end, cost, whether it is the last one); an index says
where those of each vertex begin. Every vertex has at least one edge.
"""

from Compiler import comparison
from Compiler.containers import Array, MemValue
from Compiler.control import for_range, tree_reduce
from Compiler.oram import LinearORAM
from Compiler.program import P
from Compiler.registers import sint

# shorter than what comparisons of the default length can hold, and longer than any path
FAR = 1 << 30


def _nearest(distances, done, n):
    """The open vertex with the least distance, and that distance."""
    candidates = [(distances[i] + done[i] * FAR, sint(i)) for i in range(n)]

    def nearer(a, b):
        second = b[0].less_than(a[0], 33)
        return tuple(second.if_else(y, x) for x, y in zip(a, b))
    return tree_reduce(nearer, candidates)


def dijkstra(source, edges, e_index, oram_type=LinearORAM, n_loops=None, int_type=None, debug=False):
    """The distances of all vertices: at [v][0], and at [v][1] whether v was reached. One round for each edge."""
    n = len(e_index)
    loops = len(edges) if n_loops is None or n_loops < 0 else n_loops
    distances, done = Array(n, sint), Array(n, sint)
    units = comparison.one_hot(comparison.bits(sint.conv(source), comparison.exponent_length(n)))[:n]
    for i, unit in enumerate(units):
        distances[i] = (1 - unit) * FAR
        done[i] = sint(0)
    last, edge, here = MemValue(sint(1)), MemValue(sint(0)), MemValue(sint(0))

    @for_range(loops)
    def _(_round):
        distance, vertex = _nearest(distances, done, n)
        begins = last.read()
        chosen = comparison.one_hot(comparison.bits(vertex, comparison.exponent_length(n)))[:n]
        done.assign_vector(done.get_vector() + sint(chosen) * begins)
        here.write(begins.if_else(distance, here.read()))
        edge.write(begins.if_else(_first(e_index[vertex]), edge.read()))
        other, cost, is_last = edges[edge.read()]
        old = oblivious_read(distances, other, n)
        new = here.read() + cost
        better = new.less_than(old[0], 33)
        distances.assign_vector(distances.get_vector() + old[1] * (better * (new - old[0])))
        edge.iadd(1)
        last.write(is_last)
    result = LinearORAM(n, value_length=2)
    result.batch_init([(distances[i], distances[i].less_than(FAR, 33)) for i in range(n)])
    return result


def oblivious_read(array, index, n):
    """An element at a secret index, and the unit vector of its place."""
    units = sint(comparison.one_hot(comparison.bits(index, comparison.exponent_length(n)))[:n])
    return (units * array.get_vector()).sum(), units


def _first(entry):
    return entry[0] if isinstance(entry, (list, tuple)) else entry


def convert_graph(graph):
    """Where the edges of each vertex begin, and all edges; the graph maps vertices to costs by other ends."""
    graph = {u: dict(ends) for u, ends in graph.items()}
    for ends in list(graph.values()):
        for v in ends:
            graph.setdefault(v, {})
    nodes, edges = [], []
    for u in range(max(graph) + 1):
        nodes.append(len(edges))
        # a vertex without edges gets one to itself
        ends = graph.get(u) or {u: 0}
        edges += [[v, cost, 0] for v, cost in ends.items()]
        edges[-1][-1] = 1
    return nodes, edges


def test_dijkstra(graph, source, oram_type=LinearORAM, n_loops=None, int_type=sint):
    """Distances from the source in a graph that is known while compiling."""
    nodes, edges = convert_graph(graph)
    e_index, all_edges = LinearORAM(len(nodes)), LinearORAM(len(edges), value_length=3)
    e_index.batch_init([sint(x) for x in nodes])
    all_edges.batch_init([[sint(x) for x in edge] for edge in edges])
    P.new_block()
    return dijkstra(source, all_edges, e_index, oram_type, n_loops, int_type)
