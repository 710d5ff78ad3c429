"""Sets of characters."""

ascii_lowercase = ''.join(chr(97 + i) for i in range(26))
ascii_uppercase = ascii_lowercase.upper()
ascii_letters = ascii_lowercase + ascii_uppercase
digits = '0123456789'
hexdigits = digits + 'abcdefABCDEF'
octdigits = digits[:8]
punctuation = ''.join(chr(i) for i in range(33, 127) if not chr(i).isalnum())
whitespace = ' \t\n\r\x0b\x0c'
printable = digits + ascii_letters + punctuation + whitespace


def capwords(text, separator=None):
    return (separator or ' ').join(word.capitalize() for word in text.split(separator))
