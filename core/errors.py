"""The one exception for what a user can cause and mend."""


class UserError(Exception):
    """Something the user can mend; its text is one line: what was expected, what was found, what to do.

    Command lines print it to stderr without a traceback and exit with code 2.
    """
