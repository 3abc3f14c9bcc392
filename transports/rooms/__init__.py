"""Rooms as rows, an optional app: staff give rooms a title, and decide which are for staff.

models       `Room`; rooms without a row work as before
directory    the rows, as permissions and lists need them
permissions  `may_enter`, for the setting `MAY_ENTER`
admin        the form in which staff edit them
"""
