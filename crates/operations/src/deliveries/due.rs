//! Decides which deliveries are due, and when to try again. Pure: time and chance are arguments.

use std::time::Duration;

use vaultterm_store::Webhook;

/// Between two attempts, at least and at most.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(600);
/// The longest that a receiver may ask to wait.
const ASKED_MAX: Duration = Duration::from_secs(3_600);

/// Says whether something may be sent now: the log goes on after the cursor, nobody paused the
/// webhook, and the rest after a failure is over.
pub(crate) fn is_due(webhook: &Webhook, log_end: u64, now_us: i64) -> bool {
    !webhook.paused && webhook.delivered_seq < log_end && webhook.next_attempt_us <= now_us
}

/// How long to rest after that many failures in a row: twice as long each time, give or take a
/// quarter (`chance` is from 0 up to 1), and not less than the receiver asked for.
pub(crate) fn rest(failures: u32, asked: Option<Duration>, chance: f64) -> Duration {
    let doubled = REST_MIN * 2_u32.pow(failures.saturating_sub(1).min(10));
    let own = doubled.min(REST_MAX).mul_f64(0.75 + 0.5 * chance).clamp(REST_MIN, REST_MAX);
    own.max(asked.unwrap_or_default().min(ASKED_MAX))
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::*;

    pub(crate) fn webhook() -> Webhook {
        Webhook {
            id: Uuid::nil(),
            name: "siem".to_owned(),
            url: "https://siem.example.com".to_owned(),
            actions: None,
            delivered_seq: 7,
            batch_end: None,
            shipment: 1,
            paused: false,
            failures: 0,
            next_attempt_us: 0,
            last_error: None,
            last_delivered_us: None,
            old_until_us: None,
            revision: 1,
            created_us: 0,
            updated_us: 0,
        }
    }

    #[test]
    fn something_is_due_when_the_log_went_on_and_nothing_forbids_it() {
        assert!(is_due(&webhook(), 8, 100));
        assert!(!is_due(&webhook(), 7, 100), "nothing new");
        assert!(!is_due(&webhook(), 0, 100), "a log that went back has nothing either");
        assert!(!is_due(&Webhook { paused: true, ..webhook() }, 8, 100));
        let resting = Webhook { failures: 3, next_attempt_us: 101, ..webhook() };
        assert!(!is_due(&resting, 8, 100));
        assert!(is_due(&resting, 8, 101));
    }

    #[test]
    fn rests_double_from_a_second_to_ten_minutes() {
        let seconds: Vec<u64> = (1..=12).map(|failures| rest(failures, None, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(rest(u32::MAX, None, 0.5), REST_MAX);
        assert_eq!(rest(0, None, 0.5), REST_MIN);
    }

    #[test]
    fn chance_spreads_rests_within_their_limits() {
        assert_eq!((rest(4, None, 0.0).as_secs(), rest(4, None, 1.0).as_secs()), (6, 10));
        assert_eq!((rest(1, None, 0.0), rest(20, None, 1.0)), (REST_MIN, REST_MAX));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_less_nor_for_ever() {
        let asked = |seconds| rest(4, Some(Duration::from_secs(seconds)), 0.5).as_secs();
        assert_eq!([asked(0), asked(30), asked(900), asked(u64::MAX)], [8, 30, 900, 3_600]);
    }
}
