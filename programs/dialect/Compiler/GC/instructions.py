"""The instructions on bits, as functions."""

from Compiler import instructions as _all

_NAMES = '''xors xorm xorcb xorcbi ands andrs andrsvec andm nots notcb addcb addcbi mulcbi shlcbi shrcbi bitdecs bitcoms bitdecc
    convcint convcintvec convcbit convcbitvec convcbit2s convsint ldbits ldmsb stmsb ldmcb stmcb ldmsbi stmsbi ldmcbi stmcbi
    movsb trans bitb reveal inputb inputbvec print_regb print_reg_plainb print_reg_signed print_float_plainb cond_print_strb
    print_reg_plainsb split'''.split()
__all__ = [name for name in _NAMES if hasattr(_all, name)]
for _name in __all__:
    globals()[_name] = getattr(_all, _name)
