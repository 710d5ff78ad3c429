"""The names that MP-SPDZ documents, by owner, and what is to be said about those that differ or are refused.

`programs/DIALECT.md` is made of this list and of what the library defines; messages about unknown names use it too.
"""

COMMON = '''add mul square reveal update iadd isub imul conv load_mem store_in_mem max min if_else cond_swap bit_decompose
    bit_compose get_vector expand_to_vector concat Array Matrix Tensor MemValue'''

NAMES = {
    'sint': COMMON + '''
        get_input_from get_raw_input_from get_random get_random_bit get_random_int get_random_triple get_random_square
        get_random_inverse get_input_mask_for get_dabit get_edabit input_tensor_from input_tensor_from_client
        input_tensor_via receive_from_client read_from_socket write_to_socket write_share_to_socket write_shares_to_socket
        write_fully_to_socket read_from_file write_to_file reveal_to reveal_to_clients reveal_print_hex dot_product
        matrix_mul row_matrix_mul less_than greater_than less_equal greater_equal equal not_equal mod2m pow2 right_shift
        left_shift round trunc_pr int_div int_mod field_div private_division popcnt bit_and bit_or bit_xor bit_not
        half_adder prefix_sum sum zip get_secure_shuffle secure_shuffle secure_permute inverse_permutation
        raw_right_shift raw_mod2m to_regint_by_bit get_reverse_vector copy_from_part hard_conv''',
    'cint': COMMON + '''
        less_than greater_than less_equal greater_equal equal not_equal mod2m right_shift left_shift pow2 field_div int_div
        legendre digest print_reg print_reg_plain print_if output_if to_regint read_from_socket write_to_socket
        public_input binary_output bit_and bit_or bit_xor bit_not sum''',
    'regint': COMMON + '''
        get_random inc pop push shuffle mod2m print_reg_plain print_if read_from_socket write_to_socket binary_output
        int_div bit_and bit_or bit_xor bit_not sum''',
    'sfix': '''add mul square reveal update iadd isub imul conv load_mem store_in_mem max min get_vector expand_to_vector
        concat Array Matrix Tensor MemValue set_precision set_precision_from_args load_int from_sint get_input_from
        get_random reveal_to reveal_to_clients receive_from_client read_from_socket write_to_socket
        write_fully_to_socket write_shares_to_socket read_from_file write_to_file input_tensor_from
        input_tensor_from_client input_tensor_via dot_product floor round round_nearest less_than greater_than less_equal
        greater_equal equal not_equal secure_shuffle secure_permute sum coerce get_reverse_vector''',
    'cfix': '''add mul square reveal update conv load_mem store_in_mem max min get_vector expand_to_vector Array Matrix
        Tensor MemValue set_precision load_int from_sint read_from_socket write_to_socket binary_output print_plain
        output_if floor sum less_than greater_than equal''',
    'sfloat': '''add mul conv get_input_from load_mem store_in_mem reveal set_precision Array Matrix update square max min
        if_else coerce int_div''',
    'cfloat': 'reveal output print_float_plain',
    'sgf2n': '''add mul square reveal update conv load_mem store_in_mem bit_decompose bit_compose equal not_equal field_div
        right_shift left_shift raw_right_shift raw_mod2m get_input_from get_random get_random_bit get_random_triple
        get_random_square get_random_inverse read_from_socket write_to_socket if_else cond_swap get_vector Array Matrix
        Tensor MemValue dot_product''',
    'cgf2n': '''add mul reveal update conv load_mem store_in_mem bit_decompose field_div print_reg print_reg_plain
        get_vector Array Matrix Tensor MemValue''',
    'personal': 'reveal_to bit_decompose read_int_from_socket read_fix_from_socket output output_if',
    'sbits': '''get_type new conv compose bit_compose bit_decompose bit_adder load_mem store_in_mem reveal reveal_print_hex
        get_input_from get_random_bit popcnt equal not_equal if_else cond_swap half_adder update bit_and bit_or bit_xor
        bit_not right_shift left_shift Array Matrix Tensor MemValue''',
    'cbits': '''get_type new conv bit_decompose bit_compose load_mem store_in_mem reveal print_reg print_reg_plain to_regint
        to_regint_by_bit update Array Matrix MemValue''',
    'sbitvec': '''get_type from_vec from_hex from_matrix elements reveal reveal_print_hex bit_decompose popcnt bit_adder
        load_mem store_in_mem equal Array Matrix update conv''',
    'sbitint': '''get_type add mul square reveal less_than equal max min bit_decompose popcnt if_else pow2 load_mem
        store_in_mem get_input_from update Array Matrix MemValue int_div''',
    'sbitintvec': '''get_type add mul square reveal elements less_than equal max min bit_decompose popcnt int_div''',
    'sbitfix': '''set_precision get_input_from add mul square reveal update load_mem store_in_mem max min Array Matrix
        MemValue''',
    'sbitfixvec': 'set_precision get_input_from add mul square reveal elements max min',
    'Array': '''create_from assign assign_all assign_vector assign_part_vector get get_vector get_part get_part_vector
        get_sub get_range get_slice_vector get_reverse_vector get_all_vector get_mem_value concat copy same_shape iadd
        input_from get_input_from read_from_socket write_to_socket read_from_file write_to_file receive_from_client
        reveal reveal_list reveal_nested reveal_to reveal_to_clients reveal_to_binary_output binary_output
        print_reveal_nested sort shuffle secure_shuffle secure_permute randomize to_row_matrix to_column_matrix
        maybe_get maybe_set expand_to_vector sum max min disable_index_checks shape total_size delete''',
    'Matrix': '''create_from assign assign_all assign_vector assign_part_vector get_vector get_part get_part_vector
        get_slice_vector get_vector_by_indices get_column get_columns get_column_by_row_indices set_column transpose dot mul
        direct_mul direct_mul_trans direct_trans_mul direct_mul_to_matrix mul_trans trans_mul schur diag trace
        concat concat_columns iadd input_from read_from_socket write_to_socket read_from_file write_to_file reveal
        reveal_list reveal_nested reveal_to reveal_to_clients reveal_to_binary_output print_reveal_nested sort shuffle
        secure_shuffle secure_permute randomize same_shape shape total_size to_array disable_index_checks delete''',
    'MemValue': 'read write iadd isub imul if_necessary',
    'program': '''args name options bit_length security budget set_bit_length set_security use_edabit use_dabit use_split
        use_trunc_pr linear_rounds options_from_args public_input new_tape run_tape run_tapes join_tape join_tapes
        non_linear allocated_mem disable_memory_warnings n_threads prime relax_mem use_mulm always_raw''',
    '': '''sint cint regint sfix cfix sfloat cfloat sgf2n cgf2n personal sbit sbits cbits sbitvec sbitint sbitintvec sbitfix
        sbitfixvec cbitfix Array Matrix MultiArray SubMultiArray MemValue squant squant_params sintbit
        print_ln print_str print_ln_if print_str_if print_ln_to print_both print_float_precision print_float_prec
        for_range for_range_opt for_range_parallel for_range_multithread for_range_opt_multithread multithread map_reduce
        map_reduce_single map_sum map_sum_opt map_sum_simple tree_reduce tree_reduce_multithread while_do while_loop
        do_while do_loop if_ if_e else_ if_statement if_else_block if_then else_then end_if and_ or_ not_ break_loop
        function function_block method_block method_tape vectorize export memorize unmemorize cond_swap if_else
        get_number_of_players get_player_id get_threshold get_thread_number get_arg get_cmdline_arg start_timer stop_timer
        start_grind stop_grind listen_for_clients accept_client_connection init_client_connection
        closeclientconnection crash runtime_error runtime_error_if check_point break_point public_input
        set_instruction_type approximate_reciprocal cint_cint_division sint_cint_division IntDiv FPDiv get_program get_tape
        get_block time mov sort foreach_enumerate range_loop''',
    'util': '''max min tree_reduce if_else cond_swap bit_compose bit_decompose log2 series expand reveal reveal_list
        or_op and_op xor_op tuplify untuplify is_constant is_zero is_one mem_size round_to_int pow2 mod2m right_shift
        less_than greater_than dict_by_id long_one format_trace''',
    'mpc_math': '''sqrt InvertSqrt log_fx log2_fx exp_fx exp2_fx pow_fx sin cos tan asin acos atan tanh sigmoid log''',
    'sorting': 'radix_sort radix_sort_from_matrix reveal_sort sort',
    'permutation': '''shuffle random_perm odd_even_merge_sort loopy_odd_even_merge_sort chunky_odd_even_merge_sort
        chunkier_odd_even_merge_sort loopy_chunkier_odd_even_merge_sort inverse sort cond_swap''',
    'oram': '''OptimalORAM LinearORAM TrivialORAM TreeORAM PathORAM RecursiveORAM OptimalPackedORAM PackedTreeORAM demux
        demux_list demux_array LinearPackedORAM''',
    'circuit': 'Circuit sha3_256 sha3_224 sha3_384 sha3_512 sha256 Keccak ieee_float hmac_sha256',
    'floatingpoint': '''Trunc TruncPr Pow2 EQZ LTZ BitDec BitDecFull BitAdd BITLT BitLT PreOR PreAND KOR KORL KOpL PreOpL B2U
        SDiv Inv carry TruncRoundNearest TruncZeros TruncInRing''',
    'comparison': '''LTZ EQZ Trunc TruncPr TruncRoundNearest TruncZeros Mod2m Mod2 BitLTC1 BitLTL BitLTFull CarryOut PRandInt
        PRandM KMulC PreMulC LessThanZero LtzRing''',
    'decision_tree': '''TreeTrainer TreeClassifier preprocess_pandas output_decision_tree pick_attribute run_decision_tree
        test_decision_tree SortPerm GroupSum GroupPrefixSum PrefixSum PrefixSumR PrefixSum_inv Sort VectMax GroupMax
        GroupFirstOne ModifiedGini FormatLayer CropLayer TrainLeafNodes Custom''',
    'ml': '''Dense FixConv2d Conv2d QuantConv2d MaxPool AveragePool2d FixAveragePool2d Relu ReLU Square Dropout BatchNorm
        FusedBatchNorm Flatten Argmax Add Concat Output MultiOutput LinearOutput Layer SGD Adam Optimizer SGDLogistic
        SGDLinear keras relu relu_prime argmax softmax sigmoid sigmoid_prime approx_sigmoid exp log set_n_threads
        layers_from_torch solve_linear solve_cholesky mr cholesky var mean dense_from_args QuantDense QuantBase
        FixBase Linear DenseBase''',
    'ml.keras': 'layers models optimizers',
    'dijkstra': 'HeapEntry HeapORAM HeapQ dijkstra convert_graph test_dijkstra',
    'gs': 'Matchmaker',
    'path_oblivious_heap': 'PathObliviousHeap UniquePathObliviousHeap POHToHeapQAdapter',
}

MODULES = '''library types instructions instructions_base util mpc_math sorting permutation oram path_oram sqrt_oram circuit_oram
    circuit floatingpoint comparison non_linear decision_tree ml dijkstra gs path_oblivious_heap GC.types
    GC.instructions aes'''


def names(owner):
    return NAMES[owner].split()


def knows(name):
    """Whether a program may use the name without an owner."""
    return name in names('') or name in MODULES.split()


def is_ours(kind):
    """Whether a class or module of this name is the library's."""
    bare = public_name(kind)
    classes = {name for owner in NAMES for name in names(owner) if name[:1].isupper()}
    return kind.startswith('Compiler') or bare in NAMES or bare in classes


def public_name(kind):
    """The name by which programs know a class or module: sbits for sbits8, program for its class."""
    kind = kind.replace('Compiler.GC.', '').replace('Compiler.', '')
    if kind == 'Program':
        return 'program'
    return kind.rstrip('0123456789') if kind.startswith(('sbit', 'cbit')) else kind


# -- the table of programs/DIALECT.md

# how a name differs from what MP-SPDZ documents
DIFFERS = {
    'sint.get_raw_input_from': 'reads text as get_input_from does',
    'sfix.set_precision': 'changes cfix as well',
    'cfix.set_precision': 'sfix.set_precision sets it too',
    'oram.TreeORAM': 'a linear scan', 'oram.PathORAM': 'a linear scan', 'oram.RecursiveORAM': 'a linear scan',
    'oram.OptimalORAM': 'a linear scan', 'oram.OptimalPackedORAM': 'a linear scan',
    'oram.PackedTreeORAM': 'a linear scan',
    'sorting.radix_sort': 'a sorting network; stable', 'Array.sort': 'a sorting network; not stable',
    'Matrix.sort': 'a sorting network; not stable', 'sorting.sort': 'a sorting network; stable',
    'program.use_split': 'changes nothing', 'program.linear_rounds': 'changes nothing', 'program.use_mulm': 'changes nothing',
    'program.always_raw': 'changes nothing', 'program.relax_mem': 'changes nothing',
    'program.use_trunc_pr': 'an attribute; changes nothing',
    'program.disable_memory_warnings': 'changes nothing', '.set_instruction_type': 'changes nothing',
    '.export': 'changes nothing', 'ml.set_n_threads': 'changes nothing', 'ml.FixBase': 'the base of all layers',
    'ml.QuantBase': 'the base of all layers', 'ml.QuantConv2d': 'computes with sfix', 'Array.delete': 'changes nothing',
    'Matrix.delete': 'changes nothing', 'decision_tree.TreeTrainer': 'labels are 0 and 1',
    'ml.solve_linear': 'conjugate gradients', 'dijkstra.dijkstra': 'looks at all vertices in every round',
    'gs.Matchmaker': 'looks at all people in every round', 'path_oblivious_heap.PathObliviousHeap': 'a linear scan',
    'path_oblivious_heap.UniquePathObliviousHeap': 'a linear scan', 'ml.MultiOutput': 'approx changes nothing',
    'path_oblivious_heap.POHToHeapQAdapter': 'a linear scan',
}

# why a name is refused, beside its not being there
REFUSED = {
    'sint.input_tensor_via': 'inputs are not written while compiling', 'sfix.input_tensor_via': 'inputs are not written '
    'while compiling', 'sint.raw_right_shift': 'rings only', 'sint.raw_mod2m': 'rings only; use mod2m', 'floatingpoint.TruncInRing': 'rings only', '.squant':
    'quantised numbers; use sfix', 'circuit.ieee_float': 'use sfloat or sfix', '.approximate_reciprocal': 'use 1 / x',
    'decision_tree.preprocess_pandas': 'data frames exist under --python only', 'comparison.LtzRing': 'rings only',
}


def owner_object(owner):
    """What a list of names is about: the class, the module, `program`, or what programs see without an owner."""
    from Compiler import main
    if owner == '':
        return _Space(main._namespace())
    space = main._namespace()
    if owner in space:
        return space[owner]
    module = __import__('Compiler.' + owner)
    for part in owner.split('.'):
        module = getattr(module, part)
    return module


class _Space:
    def __init__(self, names_):
        self.__dict__.update(names_)


def rows():
    """(owner, supported, differing, missing) for each list; differing and missing come with a reason."""
    for owner in NAMES:
        thing = owner_object(owner)
        supported, differing, missing = [], [], []
        for name in names(owner):
            full = owner + '.' + name
            if full in REFUSED:
                missing.append((name, REFUSED[full]))
            elif not hasattr(thing, name):
                missing.append((name, None))
            elif full in DIFFERS:
                differing.append((name, DIFFERS[full]))
            else:
                supported.append(name)
        yield owner, supported, differing, missing


def table():
    """The table in Markdown."""
    lines = ['| of | supported | differs | not supported |', '|---|---|---|---|']

    def told(pairs):
        return ', '.join('`%s`%s' % (name, ' (%s)' % why if why else '') for name, why in pairs)
    for owner, supported, differing, missing in rows():
        lines.append('| %s | %s | %s | %s |' % (
            '`%s`' % owner if owner else 'programs', ' '.join('`%s`' % name for name in supported), told(differing),
            told(missing)))
    present, absent = [], []
    for module in MODULES.split():
        try:
            __import__('Compiler.' + module)
            present.append(module)
        except ImportError:
            absent.append(module)
    lines.append('| modules | %s | | %s |' % (' '.join('`%s`' % m for m in present), ' '.join('`%s`' % m for m in absent)))
    return '\n'.join(lines)
