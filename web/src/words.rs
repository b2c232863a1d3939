//! Every sentence of every page. One struct, one constant per language: a missing sentence does not compile.

pub(crate) mod en;
pub(crate) mod ko;

use std::fmt::Display;

use sale::{OrderState, SaleState};
use serde::Serialize;

use crate::format::grouped;

/// A plain value however a template hands it over: templates pass what they loop over by reference.
pub(crate) trait Plain<T> {
    /// The value itself.
    fn plain(self) -> T;
}

impl<T: Copy> Plain<T> for T {
    fn plain(self) -> T {
        self
    }
}

impl<T: Copy> Plain<T> for &T {
    fn plain(self) -> T {
        *self
    }
}

impl<T: Copy> Plain<T> for &&T {
    fn plain(self) -> T {
        **self
    }
}

/// A sentence with one or two gaps, written `{}`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Phrase(pub(crate) &'static str);

impl Phrase {
    /// Fills the gap.
    pub(crate) fn with(&self, value: impl Display) -> String {
        self.0.replacen("{}", &value.to_string(), 1)
    }

    /// Fills both gaps, in the order of the language.
    pub(crate) fn with_two(&self, first: impl Display, second: impl Display) -> String {
        let mut parts = self.0.splitn(3, "{}");
        let mut next = || parts.next().unwrap_or_default();
        format!("{}{first}{}{second}{}", next(), next(), next())
    }
}

/// A sentence about a number, written `{n}`. Scripts get both forms and choose the same way.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Plural {
    /// For exactly one.
    pub(crate) one: &'static str,
    /// For everything else.
    pub(crate) other: &'static str,
}

impl Plural {
    /// A language (or sentence) without a plural.
    pub(crate) const fn same(text: &'static str) -> Self {
        Self { one: text, other: text }
    }

    /// The whole sentence for `n`.
    pub(crate) fn of(&self, n: impl Plain<u64>) -> String {
        let n = n.plain();
        self.form(n).replace("{n}", &grouped(n))
    }

    /// What stands before the number, for pages that print the number larger than its sentence.
    pub(crate) fn before(&self, n: impl Plain<u64>) -> &'static str {
        self.form(n.plain()).split("{n}").next().unwrap_or_default()
    }

    /// What stands after the number.
    pub(crate) fn after(&self, n: impl Plain<u64>) -> &'static str {
        self.form(n.plain()).split("{n}").nth(1).unwrap_or_default()
    }

    const fn form(&self, n: u64) -> &'static str {
        if n == 1 { self.one } else { self.other }
    }
}

/// All texts of a language.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) common: CommonWords,
    pub(crate) sale_state: SaleStateWords,
    pub(crate) home: HomeWords,
    pub(crate) sale: SaleWords,
    pub(crate) line: LineWords,
    pub(crate) line_page: LinePageWords,
    pub(crate) checkout: CheckoutWords,
    pub(crate) order: OrderWords,
    pub(crate) notice: NoticeWords,
    pub(crate) console: ConsoleWords,
}

/// What several pages say.
#[derive(Debug)]
pub(crate) struct CommonWords {
    pub(crate) languages: &'static str,
    pub(crate) kst: &'static str,
    pub(crate) days: Plural,
    pub(crate) units: Plural,
    pub(crate) seconds: Plural,
    pub(crate) minutes: Plural,
    pub(crate) all_sales: &'static str,
    pub(crate) to_sale: &'static str,
    pub(crate) to_place: &'static str,
    pub(crate) to_checkout: &'static str,
    pub(crate) to_order: &'static str,
    pub(crate) join: &'static str,
    pub(crate) join_again: &'static str,
    pub(crate) trace: &'static str,
    pub(crate) reload: &'static str,
    pub(crate) footer: &'static str,
}

/// The states of a sale, as a label.
#[derive(Debug)]
pub(crate) struct SaleStateWords {
    pub(crate) scheduled: &'static str,
    pub(crate) lobby: &'static str,
    pub(crate) open: &'static str,
    pub(crate) paused: &'static str,
    pub(crate) draining: &'static str,
    pub(crate) sold_out: &'static str,
    pub(crate) closed: &'static str,
}

impl SaleStateWords {
    pub(crate) fn label(&self, state: impl Plain<SaleState>) -> &'static str {
        match state.plain() {
            SaleState::Scheduled => self.scheduled,
            SaleState::Lobby => self.lobby,
            SaleState::Open => self.open,
            SaleState::Paused => self.paused,
            SaleState::Draining => self.draining,
            SaleState::SoldOut => self.sold_out,
            SaleState::Closed => self.closed,
        }
    }
}

/// The list of sales.
#[derive(Debug)]
pub(crate) struct HomeWords {
    pub(crate) title: &'static str,
    pub(crate) none: &'static str,
    pub(crate) do_scheduled: &'static str,
    pub(crate) do_open: &'static str,
    pub(crate) do_paused: &'static str,
    pub(crate) do_over: &'static str,
    pub(crate) opens: &'static str,
    pub(crate) left_of: Phrase,
    pub(crate) demo_title: &'static str,
    pub(crate) demo_join: &'static str,
    pub(crate) demo_pay: &'static str,
    pub(crate) demo_console: &'static str,
    pub(crate) console_link: &'static str,
}

/// One sale.
#[derive(Debug)]
pub(crate) struct SaleWords {
    pub(crate) opens_in: &'static str,
    pub(crate) opens_at: &'static str,
    pub(crate) soon: &'static str,
    pub(crate) soon_without_script: &'static str,
    pub(crate) open_now: &'static str,
    pub(crate) paused_now: &'static str,
    pub(crate) all_held: &'static str,
    pub(crate) draining_now: &'static str,
    pub(crate) sold_out_now: &'static str,
    pub(crate) closed_now: &'static str,
    pub(crate) waiting: Plural,
    pub(crate) you_are_in: Phrase,
    pub(crate) trying: &'static str,
    pub(crate) trying_why: &'static str,
    pub(crate) what: &'static str,
    pub(crate) item: &'static str,
    pub(crate) price: &'static str,
    pub(crate) units: &'static str,
    pub(crate) left: &'static str,
    pub(crate) limit: Plural,
    pub(crate) how: &'static str,
    pub(crate) how_join: &'static str,
    pub(crate) how_turn: Phrase,
    pub(crate) how_hold: Phrase,
    pub(crate) order: &'static str,
    pub(crate) order_link: &'static str,
}

/// The waiting page. The script gets all of it.
#[derive(Debug, Serialize)]
pub(crate) struct LineWords {
    pub(crate) lobby: &'static str,
    pub(crate) waiting: &'static str,
    pub(crate) paused: &'static str,
    pub(crate) called: &'static str,
    pub(crate) late: &'static str,
    pub(crate) admitted: &'static str,
    pub(crate) consumed: &'static str,
    pub(crate) expired: &'static str,
    pub(crate) left: &'static str,
    pub(crate) sold_out: &'static str,
    pub(crate) closed: &'static str,

    pub(crate) ahead: Plural,
    pub(crate) next: &'static str,
    pub(crate) front: &'static str,
    pub(crate) eta_minute: &'static str,
    pub(crate) eta_up_to_minutes: Plural,
    pub(crate) eta_minutes: Phrase,
    pub(crate) eta_up_to_hours: Plural,
    pub(crate) eta_hours: Phrase,
    pub(crate) eta_unknown: &'static str,
    pub(crate) eta_paused: &'static str,
    pub(crate) slower_rate: &'static str,
    pub(crate) slower_paused: &'static str,
    pub(crate) slower_payments: &'static str,
    pub(crate) stock_about: Plural,
    pub(crate) stock_unlikely: Plural,
    pub(crate) stock_in_hands: &'static str,
    pub(crate) one_minute: &'static str,
    pub(crate) turn_title: &'static str,
}

/// What only the server writes on the waiting page.
#[derive(Debug)]
pub(crate) struct LinePageWords {
    pub(crate) your_number: &'static str,
    pub(crate) way_so_far: &'static str,
    pub(crate) heard: &'static str,
    pub(crate) check: &'static str,
    pub(crate) next_title: &'static str,
    pub(crate) next_lobby: &'static str,
    pub(crate) next_waiting: &'static str,
    pub(crate) next_paused: &'static str,
    pub(crate) safe: &'static str,
    pub(crate) safe_chance: Phrase,
    pub(crate) enter: &'static str,
    pub(crate) enter_left: &'static str,
    pub(crate) enter_what: &'static str,
    pub(crate) late_what: &'static str,
    pub(crate) admitted_what: &'static str,
    pub(crate) consumed_what: &'static str,
    pub(crate) expired_what: &'static str,
    pub(crate) left_what: &'static str,
    pub(crate) sold_out_what: &'static str,
    pub(crate) closed_what: &'static str,
    pub(crate) trouble: &'static str,
    pub(crate) trouble_what: &'static str,
    pub(crate) lost: &'static str,
    pub(crate) lost_what: &'static str,
    pub(crate) lost_long: &'static str,
    pub(crate) lost_try: &'static str,
    pub(crate) wake: &'static str,
    pub(crate) wake_sound: &'static str,
    pub(crate) wake_notification: &'static str,
    pub(crate) wake_screen: &'static str,
    pub(crate) leave: &'static str,
    pub(crate) leave_what: &'static str,
    pub(crate) leave_sure: &'static str,
    pub(crate) message: &'static str,
}

/// What went wrong, and what to do: two sentences for each reason.
#[derive(Debug)]
pub(crate) struct NoticeWords {
    pub(crate) safe_place: &'static str,
    pub(crate) safe_money: &'static str,
    pub(crate) safe_nothing: &'static str,
    pub(crate) sale_not_found: [&'static str; 2],
    pub(crate) sale_not_open: [&'static str; 2],
    pub(crate) sale_closed: [&'static str; 2],
    pub(crate) sold_out: [&'static str; 2],
    pub(crate) ticket_missing: [&'static str; 2],
    pub(crate) ticket_gone: [&'static str; 2],
    pub(crate) not_called: [&'static str; 2],
    pub(crate) pass_missing: [&'static str; 2],
    pub(crate) pass_used: [&'static str; 2],
    pub(crate) pass_expired: [&'static str; 2],
    pub(crate) wrong_session: [&'static str; 2],
    pub(crate) cross_origin: [&'static str; 2],
    pub(crate) not_allowed: [&'static str; 2],
    pub(crate) hold_expired: [&'static str; 2],
    pub(crate) limit_reached: [&'static str; 2],
    pub(crate) invalid_quantity: [&'static str; 2],
    pub(crate) invalid_field: [&'static str; 2],
    pub(crate) in_flight: [&'static str; 2],
    pub(crate) key_reused: [&'static str; 2],
    pub(crate) rate_limited: [&'static str; 2],
    pub(crate) store_unavailable: [&'static str; 2],
    pub(crate) not_found: [&'static str; 2],
    pub(crate) order_not_found: [&'static str; 2],
    pub(crate) payment_in_progress: [&'static str; 2],
    pub(crate) already_paid: [&'static str; 2],
    pub(crate) cannot_cancel: [&'static str; 2],
    pub(crate) malformed: [&'static str; 2],
    pub(crate) conflict: [&'static str; 2],
    pub(crate) sign_in_needed: [&'static str; 2],
    pub(crate) not_supported: [&'static str; 2],
}

/// Choosing and the hold.
#[derive(Debug)]
pub(crate) struct CheckoutWords {
    pub(crate) choosing: &'static str,
    pub(crate) pass_until: &'static str,
    pub(crate) quantity: &'static str,
    pub(crate) up_to: Plural,
    pub(crate) none_left: &'static str,
    pub(crate) email: &'static str,
    pub(crate) email_hint: &'static str,
    pub(crate) reserve: &'static str,
    pub(crate) reserve_hint: Phrase,
    pub(crate) held: &'static str,
    pub(crate) held_time: &'static str,
    pub(crate) held_until: &'static str,
    pub(crate) total: &'static str,
    pub(crate) method: &'static str,
    pub(crate) pay: &'static str,
    pub(crate) promise: &'static str,
    pub(crate) sandbox: &'static str,
    pub(crate) declined: &'static str,
    pub(crate) declined_what: &'static str,
    pub(crate) expired: &'static str,
    pub(crate) expired_what: &'static str,
    pub(crate) sold_out: &'static str,
    pub(crate) sold_out_what: &'static str,
    pub(crate) sold_out_stay: &'static str,
    pub(crate) used: &'static str,
    pub(crate) used_what: &'static str,
    pub(crate) pass_expired: &'static str,
    pub(crate) pass_expired_what: &'static str,
    pub(crate) try_again: &'static str,
    pub(crate) sandbox_ok: [&'static str; 2],
    pub(crate) sandbox_declined: [&'static str; 2],
    pub(crate) sandbox_declined_once: [&'static str; 2],
    pub(crate) sandbox_leave: [&'static str; 2],
    pub(crate) sandbox_timeout: [&'static str; 2],
    pub(crate) sandbox_slow: [&'static str; 2],
    pub(crate) sandbox_random: [&'static str; 2],
}

/// A short label for lists, and the four answers that every state of an order gives its buyer.
#[derive(Debug)]
pub(crate) struct OrderStateWords {
    pub(crate) label: &'static str,
    pub(crate) state: &'static str,
    pub(crate) money: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) next: &'static str,
}

/// One order.
#[derive(Debug)]
pub(crate) struct OrderWords {
    pub(crate) pending_payment: OrderStateWords,
    pub(crate) payment_processing: OrderStateWords,
    pub(crate) paid: OrderStateWords,
    pub(crate) expired: OrderStateWords,
    pub(crate) cancelled: OrderStateWords,
    pub(crate) payment_failed: OrderStateWords,
    pub(crate) payment_unknown: OrderStateWords,
    pub(crate) needs_review: OrderStateWords,
    pub(crate) refund_pending: OrderStateWords,
    pub(crate) refunded: OrderStateWords,
    pub(crate) delayed: &'static str,
    pub(crate) money: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) next: &'static str,
    pub(crate) number: &'static str,
    pub(crate) what: &'static str,
    pub(crate) history: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) cancel_what: &'static str,
    pub(crate) cancel_sure: &'static str,
    pub(crate) live: &'static str,
    pub(crate) check: &'static str,
    pub(crate) go_pay: &'static str,
    pub(crate) keep_address: &'static str,
}

impl OrderWords {
    pub(crate) fn state(&self, state: impl Plain<OrderState>) -> &OrderStateWords {
        match state.plain() {
            OrderState::PendingPayment => &self.pending_payment,
            OrderState::PaymentProcessing => &self.payment_processing,
            OrderState::PaymentUnknown => &self.payment_unknown,
            OrderState::Paid => &self.paid,
            OrderState::PaymentFailed => &self.payment_failed,
            OrderState::Expired => &self.expired,
            OrderState::Cancelled => &self.cancelled,
            OrderState::RefundPending => &self.refund_pending,
            OrderState::Refunded => &self.refunded,
            OrderState::NeedsReview => &self.needs_review,
        }
    }
}

/// The seller's side.
#[derive(Debug)]
pub(crate) struct ConsoleWords {
    pub(crate) name: &'static str,
    pub(crate) sales: &'static str,
    pub(crate) mailbox: &'static str,
    pub(crate) sign_out: &'static str,
    pub(crate) sign_in: &'static str,
    pub(crate) sign_in_how: &'static str,
    pub(crate) sign_in_command: &'static str,
    pub(crate) sign_in_demo: &'static str,
    pub(crate) confirm: &'static str,
    pub(crate) confirm_what: &'static str,
    pub(crate) confirm_do: &'static str,
    pub(crate) link_used: &'static str,
    pub(crate) link_used_what: &'static str,
    pub(crate) none: &'static str,
    pub(crate) create: &'static str,
    pub(crate) edit: &'static str,
    pub(crate) save: &'static str,
    pub(crate) view_shop: &'static str,
    pub(crate) orders: &'static str,
    pub(crate) reset: &'static str,
    pub(crate) reset_what: &'static str,
    pub(crate) reset_do: &'static str,
    pub(crate) no_javascript: &'static str,
    pub(crate) stale: &'static str,

    pub(crate) figures: &'static str,
    pub(crate) waiting: &'static str,
    pub(crate) called: &'static str,
    pub(crate) active: &'static str,
    pub(crate) called_total: &'static str,
    pub(crate) admitted_total: &'static str,
    pub(crate) payment_time: &'static str,
    /// A time with one decimal.
    pub(crate) payment_seconds: Phrase,
    pub(crate) conservation: &'static str,
    pub(crate) conservation_good: &'static str,
    pub(crate) conservation_bad: &'static str,
    pub(crate) rate_chart: &'static str,
    pub(crate) rate_chart_what: &'static str,
    pub(crate) target: &'static str,
    pub(crate) actual: &'static str,
    pub(crate) stock: &'static str,
    pub(crate) free: &'static str,
    pub(crate) held: &'static str,
    pub(crate) sold: &'static str,
    pub(crate) orders_by_state: &'static str,
    pub(crate) changes: &'static str,
    pub(crate) controls: &'static str,
    pub(crate) per_minute: &'static str,
    pub(crate) per_minute_hint: &'static str,
    pub(crate) max_active: &'static str,
    pub(crate) max_active_hint: &'static str,
    pub(crate) overcall: &'static str,
    pub(crate) overcall_hint: &'static str,
    pub(crate) set: &'static str,
    pub(crate) pause: &'static str,
    pub(crate) pause_what: &'static str,
    pub(crate) resume: &'static str,
    pub(crate) resume_what: &'static str,
    pub(crate) close: &'static str,
    pub(crate) close_what: &'static str,
    pub(crate) close_sure: &'static str,
    pub(crate) saved: &'static str,

    pub(crate) trouble: &'static str,
    pub(crate) trouble_store: &'static str,
    pub(crate) trouble_conservation: Phrase,
    pub(crate) trouble_review: Plural,
    pub(crate) trouble_unknown: Plural,
    pub(crate) trouble_payments: &'static str,
    pub(crate) trouble_events: Plural,

    pub(crate) create_title: &'static str,
    pub(crate) edit_title: &'static str,
    pub(crate) errors: Plural,
    pub(crate) general: &'static str,
    pub(crate) id: &'static str,
    pub(crate) id_hint: &'static str,
    pub(crate) name_ko: &'static str,
    pub(crate) name_en: &'static str,
    pub(crate) opens_at: &'static str,
    pub(crate) opens_at_hint: &'static str,
    pub(crate) closes_at: &'static str,
    pub(crate) closes_at_hint: &'static str,
    pub(crate) item: Phrase,
    pub(crate) item_id: &'static str,
    pub(crate) item_hint: &'static str,
    pub(crate) price: &'static str,
    pub(crate) price_hint: &'static str,
    pub(crate) currency: &'static str,
    pub(crate) units: &'static str,
    pub(crate) per_buyer: &'static str,
    pub(crate) windows: &'static str,
    pub(crate) hold_seconds: &'static str,
    pub(crate) enter_seconds: &'static str,
    pub(crate) pass_seconds: &'static str,
    pub(crate) admission: &'static str,
    pub(crate) fault_required: &'static str,
    pub(crate) fault_number: &'static str,
    pub(crate) fault_between: Phrase,
    pub(crate) fault_id: &'static str,
    pub(crate) fault_taken: &'static str,
    pub(crate) fault_time: &'static str,
    pub(crate) fault_order_of_times: &'static str,
    pub(crate) fault_currency: &'static str,
    pub(crate) fault_below_sold: Phrase,
    pub(crate) fault_not_supported: &'static str,
    pub(crate) fault_invalid: &'static str,
    pub(crate) changed_meanwhile: &'static str,

    pub(crate) order: &'static str,
    pub(crate) order_state: &'static str,
    pub(crate) order_units: &'static str,
    pub(crate) order_total: &'static str,
    pub(crate) order_placed: &'static str,
    pub(crate) orders_none: &'static str,
    pub(crate) more: &'static str,
    pub(crate) mail_none: &'static str,
    pub(crate) mail_to: &'static str,
    pub(crate) mail_subject: &'static str,
    pub(crate) mail_at: &'static str,
    pub(crate) mailbox_what: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plural_has_the_form_of_its_number() {
        assert_eq!(en::WORDS.line.ahead.of(1), "1 person ahead");
        assert_eq!(en::WORDS.line.ahead.of(4213), "4,213 people ahead");
        assert_eq!(ko::WORDS.line.ahead.of(12), "앞에 12명");
    }
}
