"""The instructions themselves, as functions: `inv2m(c, 10)`, `listen(port)`.

Programs call some of them directly. Registers and numbers are passed as they stand in the bytecode; for instructions
that work lane by lane the vector size is that of the first register.
"""

from Compiler.errors import CompilerError
from Compiler.program import P, quote
from Compiler.registers import Register, plain

LANE = """
    ldi ldsi ldmc ldms stmc stms ldmci ldmsi stmci stmsi movc movs ldtn ldarg starg addc adds addm addci addsi
    subc subs subml submr subci subsi subcfi subsfi prefixsums picks concats mulc mulm mulci mulsi divc divci
    modc modci legendrec digestc inv2m floordivc triple bit square inverse inputmask prep dabit edabit sedabit
    randoms inputmaskreg randomfulls unsplit asm_input andc xorc orc andci xorci orci notc shlc shrc shlci shrci
    shrsi eqzc ltzc ltc gtc eqc bitdecint ldint addint subint mulint divint asm_open muls dotprods trunc_pr
    print_reg rand print_reg_plain pubinput raw_output print_float_plain writesharestofile readsharesfromfile
    convint convmodp ldmint stmint ldminti stminti pushint popint movint incint shuffle intoutput floatoutput
    fixinput cmdlinearg call_arg inputfix inputfloat inputmixed rawinput secshuffle inverse_permutation gldi
    gldsi gldmc gldms gstmc gstms gldmci gldmsi gstmci gstmsi gmovc gmovs gaddc gadds gaddm gaddci gaddsi gsubc
    gsubs gsubml gsubmr gsubci gsubsi gsubcfi gsubsfi gmulc gmulm gmulci gmulsi gdivc gdivci gmodc gmodci
    gfloordivc gtriple gbit gsquare ginverse gbittriple gbitgf2ntriple ginputmask gprep gasm_input gandc gxorc
    gorc gandci gxorci gorci gnotc gshlc gshrc gshlci gshrci gshrsi gbitdec gbitcom gasm_open gmuls gdotprods
    gprint_reg gprint_reg_plain graw_output gwritesharestofile greadsharesfromfile gconvint gconvgf2n grawinput
    gsecshuffle ldmcb stmcb convcintvec print_regb ldmsb stmsb ldmsbi stmsbi split ldmcbi stmcbi
""".split()

SCALAR = """
    reqbl time start stop use use_inp run_tape join_tape crash use_prep start_grind stop_grind use_matmul zips
    readsocketc readsockets writesocketc writesockets readsocketint writesocketint writesocketshare listen
    acceptclientconnection closeclientconnection initclientconnection jmp jmpnz jmpeqz jmpi print_int mulrs
    matmuls matmulsm conv2ds privateoutput check print_char print_char4 cond_print_str print_float_prec
    cond_print_plain nplayers threshold playerid use_edabit active print_reg_plains call_tape inputmixedreg
    inputpersonal sendpersonal gensecshuffle applyshuffle delshuffle greqbl guse_prep gmulrs gmatmuls gmatmulsm
    gprint_reg_plains xors xorm andrs bitdecs bitcoms convsint ldmsdi stmsdi ldmsd stmsd ldbits ands trans bitb
    andm nots xorcbi bitdecc notcb convcint reveal stmsdci xorcb addcb addcbi mulcbi shrcbi shlcbi
    print_reg_signed print_reg_plainb print_float_plainb cond_print_strb print_reg_plainsb convcbit convcbitvec
    movsb inputb inputbvec convcbit2s andrsvec
""".split()

REGISTER_FIRST = {'listen', 'closeclientconnection', 'crash', 'starg', 'print_int'}


def _instruction(name, lane):
    def record(*args, **options):
        size, operands = 0, []
        for at, arg in enumerate(args):
            arg = plain(arg)
            if isinstance(arg, Register):
                if lane and not size:
                    size = arg.size
                operands.append(arg.t)
            elif isinstance(arg, str):
                operands.append(quote(arg))
            elif isinstance(arg, (int, bool)):
                if name in REGISTER_FIRST and at == 0:
                    from Compiler.registers import regint
                    operands.append(regint(int(arg)).t)
                else:
                    operands.append(str(int(arg)))
            elif hasattr(arg, 't'):
                operands.append(arg.t)
            else:
                raise CompilerError('%s takes registers and numbers, not %s' % (name, type(arg).__name__))
        P.emit('%s %d %s' % (name, options.get('size') or size, ' '.join(operands)))
    record.__name__ = name
    return record


__all__ = []
for _names, _lane in ((LANE, True), (SCALAR, False)):
    for _name in _names:
        globals()[_name] = _instruction(_name, _lane)
        __all__.append(_name)


def acceptclientconnection(client_id, port):
    """Waits for the next client and puts its number into the register `client_id`."""
    from Compiler.registers import regint
    P.emit('acceptclientconnection 0 %s %s' % (client_id.t, regint.conv(plain(port)).t))
