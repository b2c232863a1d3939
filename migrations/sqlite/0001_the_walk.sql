-- Times are milliseconds since the Unix epoch, money is in minor units, states are the words of the API.

CREATE TABLE sales (
    id               TEXT PRIMARY KEY,
    kind             TEXT NOT NULL,
    -- Terms of a draw, and of a raffle; NULL where the kind has none.
    lobby_opens_at   BIGINT,
    entries_open_at  BIGINT,
    entries_close_at BIGINT CHECK (entries_close_at > entries_open_at),
    purchase_window_seconds BIGINT CHECK (purchase_window_seconds > 0),
    -- The seller who created it, by the hash of the address; empty for the operator and the command line.
    owner            TEXT NOT NULL DEFAULT '',
    -- In no list; reachable by its address only.
    hidden           BIGINT NOT NULL DEFAULT 0,
    name_ko          TEXT NOT NULL,
    name_en          TEXT NOT NULL,
    message_ko       TEXT NOT NULL DEFAULT '',
    message_en       TEXT NOT NULL DEFAULT '',
    opens_at         BIGINT NOT NULL,
    closes_at        BIGINT,
    per_buyer_limit  BIGINT NOT NULL CHECK (per_buyer_limit > 0),
    hold_seconds     BIGINT NOT NULL,
    enter_seconds    BIGINT NOT NULL,
    pass_seconds     BIGINT NOT NULL,
    mode             TEXT NOT NULL,
    per_minute       BIGINT NOT NULL CHECK (per_minute >= 0),
    max_active       BIGINT NOT NULL CHECK (max_active >= 0),
    overcall_permille BIGINT NOT NULL DEFAULT 0 CHECK (overcall_permille >= 0),
    paused           BIGINT NOT NULL DEFAULT 0,
    closing          BIGINT NOT NULL DEFAULT 0,
    -- When the last buyer was no longer inside; NULL before.
    closed_at        BIGINT,
    -- The generation of the queue store's contents; 0 before it was filled for the first time.
    epoch            BIGINT NOT NULL DEFAULT 0,
    -- Random at every raise of the epoch, so that one counted a second time is another one.
    epoch_nonce      BIGINT NOT NULL DEFAULT 0,
    epoch_at         BIGINT NOT NULL DEFAULT 0,
    -- No queue number above the first was ever given, none above the second was ever called.
    allocated_up_to  BIGINT NOT NULL DEFAULT 0,
    called_up_to     BIGINT NOT NULL DEFAULT 0 CHECK (called_up_to <= allocated_up_to),
    -- The admission leader: who, in which term, until when.
    leader           TEXT NOT NULL DEFAULT '',
    term             BIGINT NOT NULL DEFAULT 0,
    leads_until      BIGINT NOT NULL DEFAULT 0,
    version          BIGINT NOT NULL DEFAULT 1,
    created_at       BIGINT NOT NULL
);
CREATE INDEX sales_running ON sales (id) WHERE closed_at IS NULL;
CREATE INDEX sales_closed ON sales (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE items (
    sale      TEXT NOT NULL REFERENCES sales (id),
    id        TEXT NOT NULL,
    position  BIGINT NOT NULL,
    name_ko   TEXT NOT NULL,
    name_en   TEXT NOT NULL,
    amount    BIGINT NOT NULL CHECK (amount >= 0),
    currency  TEXT NOT NULL,
    total     BIGINT NOT NULL CHECK (total >= 0),
    held      BIGINT NOT NULL DEFAULT 0 CHECK (held >= 0),
    sold      BIGINT NOT NULL DEFAULT 0 CHECK (sold >= 0),
    PRIMARY KEY (sale, id),
    CHECK (held + sold <= total)
);

-- No foreign keys from here to the holds: an order is written with its rows in one transaction that has the items locked, and
-- checking each reference would add more than half of the cost of the writes.

-- Units that a buyer holds or has bought. Rows do not expire: the limit is for the whole sale.
CREATE TABLE buyers (
    sale   TEXT NOT NULL,
    buyer  TEXT NOT NULL,
    units  BIGINT NOT NULL CHECK (units >= 0),
    PRIMARY KEY (sale, buyer)
);

-- A ticket gets at most one pass.
CREATE TABLE passes (
    id          TEXT NOT NULL UNIQUE,
    sale        TEXT NOT NULL REFERENCES sales (id),
    number      BIGINT NOT NULL,
    buyer       TEXT NOT NULL,
    bound       BIGINT NOT NULL,
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    -- Set when its buyer has left.
    ended       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (sale, number)
);

-- The part of a purchase in one sale.
CREATE TABLE orders (
    id           TEXT PRIMARY KEY,
    -- The id of the order, if the purchase consists of this order alone.
    purchase_id  TEXT NOT NULL,
    sale         TEXT NOT NULL,
    -- The pass that it was bought with, one order per pass, and the number of its ticket; NULL if no pass was required.
    pass         TEXT UNIQUE,
    number       BIGINT,
    buyer        TEXT NOT NULL,
    account      TEXT,
    -- Whether it has its units, or how it ended without them.
    state        TEXT NOT NULL CHECK (state IN ('reserved', 'sold', 'expired', 'cancelled', 'payment_failed')),
    -- The state of its money.
    financial_state TEXT NOT NULL DEFAULT 'none' CHECK (financial_state IN
                     ('none', 'processing', 'unknown', 'captured', 'refund_pending', 'refunded', 'needs_review')),
    fulfilment   TEXT NOT NULL DEFAULT 'none' CHECK (fulfilment IN
                     ('none', 'preparing', 'shipped', 'delivered', 'confirmed')),
    -- SHA-256 of the request, to tell a repeated key with another body.
    request_hash TEXT NOT NULL,
    amount       BIGINT NOT NULL CHECK (amount >= 0),
    currency     TEXT NOT NULL,
    locale       TEXT NOT NULL,
    -- E-mail address and recipient, AES-256-GCM with the key's id in front; NULL when none was given.
    contact      BLOB,
    recipient    BLOB,
    -- W3C trace id of the request that placed it.
    trace        TEXT NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL
);
CREATE INDEX orders_of_sale ON orders (sale, created_at);
CREATE INDEX orders_of_buyer ON orders (buyer, sale);
CREATE INDEX orders_of_purchase ON orders (purchase_id) WHERE purchase_id <> id;

-- What was bought together: one order, or the sum of several. Sealed columns are sealed for an order, and are read there.
CREATE VIEW purchases AS
    SELECT id, buyer, account, currency, amount, locale, trace, created_at FROM orders WHERE purchase_id = id
    UNION ALL
    SELECT purchase_id, min(buyer), min(account), min(currency), sum(amount), min(locale), min(trace), min(created_at)
    FROM orders WHERE purchase_id <> id GROUP BY purchase_id;

-- What was ordered, with name and price at that time. Which units are held or sold is in the holds. Each check of a row costs
-- time when orders are placed, so only what a later change could break has one (docs/adr/0012).
CREATE TABLE order_lines (
    order_id          TEXT NOT NULL,
    line_no           BIGINT NOT NULL,
    sale              TEXT NOT NULL,
    -- Shipping and discounts are lines without an item.
    kind              TEXT NOT NULL DEFAULT 'item',
    item              TEXT,
    -- The product of the catalogue that the item sells, where there is one.
    product           TEXT,
    name_ko           TEXT NOT NULL,
    name_en           TEXT NOT NULL,
    quantity          BIGINT NOT NULL CHECK (quantity > 0),
    -- Of one unit; negative for a discount.
    unit_amount       BIGINT NOT NULL,
    returned_quantity BIGINT NOT NULL DEFAULT 0 CHECK (returned_quantity = 0 OR returned_quantity BETWEEN 0 AND quantity),
    refunded_amount   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, line_no),
    CHECK (CASE kind WHEN 'item' THEN item IS NOT NULL AND unit_amount >= 0
                     WHEN 'shipping' THEN item IS NULL AND unit_amount >= 0
                     WHEN 'discount' THEN item IS NULL AND unit_amount <= 0 ELSE FALSE END),
    CHECK (refunded_amount = 0 OR refunded_amount BETWEEN 0 AND quantity * unit_amount)
);

-- The steps of an order after the first one, which is its own row: the state as the API names it, the actor and the reason.
CREATE TABLE order_history (
    order_id  TEXT NOT NULL,
    nth       BIGINT NOT NULL,
    state     TEXT NOT NULL,
    actor     TEXT NOT NULL CHECK (actor IN ('buyer', 'seller', 'provider', 'system')),
    reason    TEXT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (order_id, nth)
);

-- Units reserved for an order; the id of a hold outside is `{order}:{n}`. A hold after the first is for a late payment. A row
-- with an empty buyer marks a hold that must never be placed.
CREATE TABLE holds (
    order_id    TEXT NOT NULL,
    n           BIGINT NOT NULL,
    sale        TEXT NOT NULL,
    buyer       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('held', 'paying', 'committed', 'released', 'expired', 'returned')),
    -- The quantity of each item, as a JSON object; read through `hold_lines`.
    units       TEXT NOT NULL,
    deadline    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    -- 0 until the gate is synced with the end of the hold, or with its payment being unknown.
    gate_synced BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (order_id, n)
);
CREATE INDEX holds_by_deadline ON holds (deadline) WHERE state IN ('held', 'paying');
CREATE INDEX holds_to_sync ON holds (sale, order_id) WHERE gate_synced = 0;

-- The units of every hold, one row per item.
CREATE VIEW hold_lines AS
    SELECT h.order_id, h.n, h.sale, h.buyer, h.state, l.key AS item, l.value AS quantity
    FROM holds h, json_each(h.units) AS l;

-- Attempts to pay a purchase. The id follows from purchase and attempt.
CREATE TABLE payments (
    id               TEXT PRIMARY KEY,
    -- A purchase of one order has the id of that order.
    purchase_id      TEXT NOT NULL,
    attempt          BIGINT NOT NULL CHECK (attempt > 0),
    idempotency_key  TEXT NOT NULL,
    method           TEXT NOT NULL,
    amount           BIGINT NOT NULL CHECK (amount >= 0),
    currency         TEXT NOT NULL,
    -- What the provider has captured, and what it has refunded of that.
    captured_amount  BIGINT NOT NULL DEFAULT 0,
    refunded_amount  BIGINT NOT NULL DEFAULT 0 CHECK (refunded_amount >= 0),
    state            TEXT NOT NULL CHECK (state IN ('created', 'authorised', 'captured', 'declined', 'failed', 'voided',
                       'unknown', 'refund_pending', 'refunded')),
    -- Set once, before the provider is called.
    intent           TEXT CHECK (intent IN ('capture', 'void')),
    -- Why it is voided, which decides how the order ends.
    void_for         TEXT CHECK (void_for IN ('deadline', 'cancel')),
    -- Declined for good: no further attempt is allowed.
    last             BIGINT NOT NULL DEFAULT 0 CHECK (last IN (0, 1)),
    provider         TEXT NOT NULL,
    -- The provider's id of the charge, committed before the charge is confirmed; and when.
    provider_id      TEXT,
    sent_at          BIGINT,
    -- When the deadline of the hold was extended for this attempt, which is done for one attempt of a purchase.
    extended_at      BIGINT,
    -- Until when an authorised charge can be captured.
    authorised_until BIGINT,
    -- The address where the buyer has to continue, while the provider waits for that.
    next_action      TEXT,
    -- Why it was declined, in the provider's words.
    failure          TEXT,
    -- When it is processed next: by the payment worker while it is open, by the stock worker once it has ended. NULL when
    -- units and order have followed its result.
    due_at           BIGINT,
    -- How often it was polled since its last progress.
    polls            BIGINT NOT NULL DEFAULT 0,
    created_at       BIGINT NOT NULL,
    changed_at       BIGINT NOT NULL,
    UNIQUE (purchase_id, attempt),
    UNIQUE (purchase_id, idempotency_key),
    UNIQUE (provider, provider_id),
    CHECK (refunded_amount <= captured_amount AND captured_amount <= amount),
    CHECK ((sent_at IS NULL) = (provider_id IS NULL))
);
-- No index by state: each transition would update every index of the table.
CREATE INDEX payments_due ON payments (due_at) WHERE due_at IS NOT NULL;

-- How much of a payment is for which order.
CREATE TABLE payment_parts (
    payment_id  TEXT NOT NULL REFERENCES payments (id),
    order_id    TEXT NOT NULL REFERENCES orders (id),
    amount      BIGINT NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (payment_id, order_id)
);
CREATE INDEX payment_parts_of_order ON payment_parts (order_id);

-- Refunds. The id is the key of the provider's call: `refund:{payment}:{n}`.
CREATE TABLE refunds (
    id            TEXT PRIMARY KEY,
    payment_id    TEXT NOT NULL REFERENCES payments (id),
    n             BIGINT NOT NULL CHECK (n > 0),
    amount        BIGINT NOT NULL CHECK (amount > 0),
    currency      TEXT NOT NULL,
    reason        TEXT NOT NULL,
    -- `rules`, or a person.
    requested_by  TEXT NOT NULL,
    -- The key of the request: the same key is the same refund.
    request_key   TEXT NOT NULL UNIQUE,
    state         TEXT NOT NULL CHECK (state IN ('pending', 'done', 'needs_review')),
    -- How often the provider has refused it, and how often it has not answered.
    refusals      BIGINT NOT NULL DEFAULT 0 CHECK (refusals >= 0),
    silences      BIGINT NOT NULL DEFAULT 0 CHECK (silences >= 0),
    -- The provider's id of the refund.
    provider_ref  TEXT,
    -- The reason of the last refusal, in the provider's words.
    failure       TEXT,
    -- When the provider is called next; NULL when it has ended.
    due_at        BIGINT,
    created_at    BIGINT NOT NULL,
    changed_at    BIGINT NOT NULL,
    UNIQUE (payment_id, n)
);
CREATE INDEX refunds_due ON refunds (due_at) WHERE due_at IS NOT NULL;

-- The lines of a refund: the amount of each, and how many whole units that is.
CREATE TABLE refund_lines (
    refund_id  TEXT NOT NULL REFERENCES refunds (id),
    order_id   TEXT NOT NULL REFERENCES orders (id),
    line_no    BIGINT NOT NULL CHECK (line_no > 0),
    quantity   BIGINT NOT NULL CHECK (quantity >= 0),
    amount     BIGINT NOT NULL CHECK (amount > 0),
    PRIMARY KEY (refund_id, order_id, line_no)
);
CREATE INDEX refund_lines_of_order ON refund_lines (order_id);

-- Captures and refunds: one row each, appended in the transaction of the fact and never changed. No foreign keys: a fact
-- stays, even if the rows that it was about do not.
CREATE TABLE money_moves (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    purchase_id  TEXT NOT NULL,
    payment_id   TEXT NOT NULL,
    refund_id    TEXT,
    kind         TEXT NOT NULL CHECK (kind IN ('captured', 'refunded')),
    amount       BIGINT NOT NULL CHECK (amount >= 0),
    currency     TEXT NOT NULL,
    -- The reason, in a word.
    cause        TEXT NOT NULL,
    at           BIGINT NOT NULL,
    CHECK ((kind = 'refunded') = (refund_id IS NOT NULL))
);
CREATE INDEX money_moves_of_payment ON money_moves (payment_id);
CREATE INDEX money_moves_by_time ON money_moves (at);
-- A refund moves money once.
CREATE UNIQUE INDEX money_moves_of_refund ON money_moves (refund_id) WHERE refund_id IS NOT NULL;

-- Events, appended in the transaction of their cause. With the embedded log this table is the log; with another log they
-- are removed once they are published. A repeated event changes nothing.
CREATE TABLE outbox (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id      TEXT NOT NULL,
    kind          TEXT NOT NULL,
    order_id      TEXT NOT NULL,
    body          TEXT NOT NULL,
    trace         TEXT NOT NULL DEFAULT '',
    -- When every consumer group had read it from the embedded log.
    published_at  BIGINT
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;

CREATE TABLE inbox (
    consumer  TEXT NOT NULL,
    event_id  TEXT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_by_time ON inbox (at);

-- How far each consumer group has read the embedded log.
CREATE TABLE log_cursors (
    consumer  TEXT PRIMARY KEY,
    outbox_id BIGINT NOT NULL
);

CREATE TABLE dead_letters (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer  TEXT NOT NULL,
    place     TEXT NOT NULL,
    body      BLOB NOT NULL,
    reason    TEXT NOT NULL,
    at        BIGINT NOT NULL,
    UNIQUE (consumer, place)
);

CREATE TABLE leases (
    name    TEXT PRIMARY KEY,
    holder  TEXT NOT NULL,
    term    BIGINT NOT NULL,
    until   BIGINT NOT NULL
);

-- The ledger of the sandbox provider, as separate as a real provider's: it has its own ids, and of ours only the key.
CREATE TABLE sandbox_charges (
    id          TEXT PRIMARY KEY,
    key         TEXT NOT NULL,
    -- Whether the key still names this charge: providers forget keys after some time.
    remembered  BIGINT NOT NULL DEFAULT 1 CHECK (remembered IN (0, 1)),
    method      TEXT NOT NULL,
    amount      BIGINT NOT NULL CHECK (amount >= 0),
    currency    TEXT NOT NULL,
    state       TEXT NOT NULL,
    -- Declined for good.
    last        BIGINT NOT NULL DEFAULT 0,
    -- When the buyer's bank answers; NULL if it never does, and before the charge is confirmed.
    answers_at  BIGINT,
    refunded    BIGINT NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    created_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX sandbox_charges_by_key ON sandbox_charges (key) WHERE remembered = 1;
CREATE INDEX sandbox_charges_by_time ON sandbox_charges (created_at, id);

CREATE TABLE sandbox_refunds (
    id          TEXT PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE,
    charge_id   TEXT NOT NULL REFERENCES sandbox_charges (id),
    amount      BIGINT NOT NULL CHECK (amount > 0),
    created_at  BIGINT NOT NULL
);
CREATE INDEX sandbox_refunds_by_time ON sandbox_refunds (created_at, id);

-- The embedded mailbox. Recipient, subject and body are personal data: AES-256-GCM.
CREATE TABLE mails (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id  TEXT NOT NULL UNIQUE,
    recipient   BLOB NOT NULL,
    subject     BLOB NOT NULL,
    body        BLOB NOT NULL,
    at          BIGINT NOT NULL
);
CREATE INDEX mails_by_time ON mails (at);

-- Sellers are found by a blind index of their address, links and sessions by a hash of their secret.
CREATE TABLE sellers (
    email_hash  TEXT PRIMARY KEY,
    email       BLOB NOT NULL,
    authority   TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE sign_in_links (
    hash        TEXT PRIMARY KEY,
    email_hash  TEXT NOT NULL REFERENCES sellers (email_hash),
    expires_at  BIGINT NOT NULL,
    used_at     BIGINT
);
CREATE INDEX sign_in_links_by_end ON sign_in_links (expires_at);

CREATE TABLE console_sessions (
    hash        TEXT PRIMARY KEY,
    email_hash  TEXT NOT NULL REFERENCES sellers (email_hash),
    expires_at  BIGINT NOT NULL
);
CREATE INDEX console_sessions_by_end ON console_sessions (expires_at);

-- Actions of sellers and the operator. The actor is the hash of a person's address, or a role if nobody signed in.
CREATE TABLE audit_log (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    sale    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    detail  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX audit_log_of_sale ON audit_log (sale, id);

-- Cases: what only a person can decide.
CREATE TABLE cases (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT NOT NULL,
    -- The id of what it is about, which the kind determines.
    subject     TEXT NOT NULL,
    sale        TEXT NOT NULL,
    opened_at   BIGINT NOT NULL,
    detail      TEXT NOT NULL DEFAULT '',
    closed_at   BIGINT,
    resolution  TEXT,
    -- The person who closed it.
    actor       TEXT,
    CHECK ((closed_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX cases_open ON cases (kind, subject) WHERE closed_at IS NULL;

-- One row: the installation that this database belongs to.
CREATE TABLE installation (
    id                BIGINT PRIMARY KEY CHECK (id = 1),
    -- Derived from what a rotation of the keys keeps.
    keys_fingerprint  TEXT NOT NULL,
    -- The newest key that a process signs tickets with: its number in the keys file, and a mark of its secret.
    key_id            BIGINT NOT NULL,
    key_mark          TEXT NOT NULL,
    public_url        TEXT NOT NULL,
    created_at        BIGINT NOT NULL
);

-- The processes of the installation that are alive.
CREATE TABLE processes (
    id           TEXT PRIMARY KEY,
    alive_until  BIGINT NOT NULL
);
