"""The numbers in `journal.code`: for a movement the business purpose, for an event its name.

Purposes 1 to 42 are the numbers of the supervisory taxonomy of marketplace transactions; those of ours begin at 100,
events at 1000; 200 to 999 are a platform's own and mean nothing to us. A number is never given a second meaning.
"""

from enum import IntEnum


class Purpose(IntEnum):
    """Why money moved."""

    PLATFORM_FEE = 4  # platform service fee
    DEPOSIT = 6  # top-up
    WITHDRAWAL = 7
    WITHDRAWAL_FEE = 23
    FREEZE = 100
    RELEASE = 101
    CUSTOMER_TRANSFER = 102
    UNALLOCATED_RECEIPT = 103
    ALLOCATION = 104  # an unallocated receipt finds its owner
    FEE_SWEEP = 105  # fees that are due leave the pool for the platform's own account
    FUNDING = 106  # the platform pays a shortfall in
    BANK_RETURN = 107
    TAKEOVER = 108  # a movement of a book that was kept elsewhere
    ROUNDING = 109  # a difference the source's own rounding explains
    UNEXPLAINED = 110  # a difference that nothing explains
    CROSSING = 111  # to or from another book, by way of the clearing accounts
    ESCROW = 117  # held for a condition


class EventName(IntEnum):
    """What was said, apart from money."""

    ORDER_STATE = 1000
    RISK_DECISION = 1010
    PROPOSAL_MADE = 1020
    PROPOSAL_APPROVED = 1021
    PROPOSAL_REJECTED = 1022
    POLICY_SET = 1023
    PERSON_CHANGED = 1030
    SIGNED_IN = 1031
    PASSKEY_ENROLLED = 1032
    PASSKEY_REVOKED = 1033
    PROVIDER_SET = 1034  # an identity provider and its keys
    IDENTITY_BOUND = 1035  # a person to a subject of an identity provider
    COURSE_COMPLETED = 1036
    COMPLETION_WITHDRAWN = 1037
    ACCESS_REVIEWED = 1038
    DOOR_LIMITS_SET = 1039
    PAYMENT_ORDERED = 1040
    PAYMENT_STATUS = 1041
    ADVICE_SHELVED = 1042  # an advice of the bank that moved nothing
    IDENTITY_RELEASED = 1043
    PROVIDER_REMOVED = 1044
    STATEMENT_IMPORTED = 1050
    STATEMENT_QUARANTINED = 1051
    RECONCILIATION_CLOSED = 1060
    DISCREPANCY_OPENED = 1061
    DISCREPANCY_CLOSED = 1062
    SAFEGUARDING_TESTED = 1070
    BRAKE_PULLED = 1080
    BRAKE_RELEASED = 1081
    ALARM_RAISED = 1082
    CUSTOMER_REGISTERED = 1090
    CUSTODIAN_ACCOUNT_OPENED = 1091
    DAY_OPENED = 1100
    DAY_CLOSED = 1101
    CROSSING_BEGUN = 1110
    CROSSING_BARRED = 1111  # the book it was to reach does not take it any more
    CROSSING_ENDED = 1112
    FILE_OPENED = 1120  # of a customer's due diligence; each of these is one step of the file
    DOCUMENT_TAKEN = 1121
    OWNER_NAMED = 1122  # somebody owns or controls a firm
    OWNER_WITHDRAWN = 1123
    IDENTITY_ANSWERED = 1124  # the identity provider's word
    NAMES_SCREENED = 1125
    CUSTOMER_VERIFIED = 1126
    CUSTOMER_RESTRICTED = 1127
    CUSTOMER_CLOSED = 1128
    MATCH_JUDGED = 1129  # a person says whether a likeness is the one on the list
    TIER_ASKED = 1130
    FIELD_REVEALED = 1140  # a person saw a sensitive value, for a reason
    CUSTOMER_ERASED = 1141
    KEYS_ROTATED = 1142
    ORIGIN_STATED = 1150  # who asked for a payment, with the signature over it
    PROGRAM_KEY_ADMITTED = 1151  # a program may ask for payments by this key
    MANDATE_GIVEN = 1152  # a customer lets a program ask, within caps
    MANDATE_REVOKED = 1153
    PAYEE_ADDED = 1160
    PAYEE_REMOVED = 1161
    ESCROW_PROPOSED = 1170
    ESCROW_AGREED = 1171
    MILESTONE_APPROVED = 1172
    CLAIM_OPENED = 1173
    CLAIM_SETTLED = 1174
    ESCROW_RELEASED = 1175
    ESCROW_RETURNED = 1176
    ESCROW_CALLED_OFF = 1177  # before it was in force
    LIABILITIES_PROVEN = 1180  # the tree over what every customer is owed at the end of a day
    LIABILITIES_ATTESTED = 1181  # an auditor signed it
    RULE_PACK_SET = 1195  # the risk rules and lists by which orders are judged from now on
    PROVIDER_LOGGED_OUT = 1200  # an identity provider says that somebody has signed out there
