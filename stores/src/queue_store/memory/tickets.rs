//! The queue of one epoch: places, participants, calls. The rules are those of `scripts/tickets.lua`, line by line.

use bytes::Bytes;
use sale::{BuyerId, Term, Timestamp, sale::Place};

use crate::queue_store::{
    CallBatch, CallOutcome, EnterOutcome, EnterRequest, JOIN_TIME_RESOLUTION_MS, JoinOutcome, JoinRequest, MAX_SWEPT,
    PublishOutcome, TicketClaims, TicketStatus,
    epoch_state::{EpochState, LastBatch, Participant, Stage, bucket_of},
};

impl EpochState {
    pub(super) fn join(&mut self, requests: &[JoinRequest], allocated_up_to: u64, now: Timestamp) -> Vec<JoinOutcome> {
        requests.iter().map(|request| self.join_one(request, allocated_up_to, now)).collect()
    }

    fn join_one(&mut self, request: &JoinRequest, allocated_up_to: u64, now: Timestamp) -> JoinOutcome {
        let buyer = request.buyer;
        self.end_window(buyer, now);
        let participant = self.participants.get(&buyer).copied();
        if let Some(number) = self.live_number(buyer, now) {
            return self.existing(buyer, number);
        }
        if let Some(carried) = request.ticket
            && self.is_from_earlier_epoch(carried)
            && participant.is_none_or(|participant| carried.number > participant.number)
        {
            self.requeue(buyer, carried.number);
            return self.existing(buyer, carried.number);
        }
        if self.counter >= allocated_up_to {
            return JoinOutcome::AllocationReached;
        }
        self.counter += 1;
        let number = self.counter;
        self.participants.remove(&buyer);
        self.enqueue(buyer, number);
        *self.buckets.entry(bucket_of(number)).or_default() += 1;
        let joined_at = match self.join_times.last_key_value() {
            Some((_, last)) if now < last.plus_millis(JOIN_TIME_RESOLUTION_MS) => *last,
            _ => {
                self.join_times.insert(number, now);
                now
            }
        };
        JoinOutcome::New { number, joined_at }
    }

    fn existing(&mut self, buyer: BuyerId, number: u64) -> JoinOutcome {
        let joined_at = self.join_times.range(..=number).next_back().map(|(_, joined_at)| *joined_at);
        JoinOutcome::Existing { number, joined_at, status: self.refresh_status(buyer, number) }
    }

    /// The number of the buyer's place unless the place is finished.
    fn live_number(&self, buyer: BuyerId, now: Timestamp) -> Option<u64> {
        match self.participants.get(&buyer) {
            Some(participant) if participant.is_finished(now) => None,
            Some(participant) => Some(participant.number),
            None => self.number_of.get(&buyer).copied(),
        }
    }

    pub(super) fn standing(&mut self, requests: &[(BuyerId, TicketClaims)], now: Timestamp) -> Vec<TicketStatus> {
        requests.iter().map(|(buyer, carried)| self.status_of(*buyer, *carried, now)).collect()
    }

    fn status_of(&mut self, buyer: BuyerId, carried: TicketClaims, now: Timestamp) -> TicketStatus {
        self.end_window(buyer, now);
        let number = carried.number;
        let older = self.is_from_earlier_epoch(carried);
        match self.participants.get(&buyer).copied() {
            Some(participant) if participant.number == number => {}
            Some(participant) if older && participant.is_finished(now) && number > participant.number => {
                self.requeue(buyer, number);
            }
            Some(_) => return TicketStatus::Left,
            None => match self.number_of.get(&buyer) {
                Some(queued) if *queued == number => {}
                None if older => self.requeue(buyer, number),
                _ => return TicketStatus::Left,
            },
        }
        self.refresh_status(buyer, number)
    }

    /// Returns the status of the buyer's place; requeues a late buyer.
    fn refresh_status(&mut self, buyer: BuyerId, number: u64) -> TicketStatus {
        match self.participants.get(&buyer).map(|participant| participant.stage) {
            None | Some(Stage::Uncounted) => TicketStatus::Waiting,
            Some(Stage::Called { until, .. }) => TicketStatus::Called { until },
            Some(Stage::Late) => {
                self.participants.insert(buyer, Participant { number, stage: Stage::Returned });
                self.enqueue(buyer, number);
                TicketStatus::Late
            }
            Some(Stage::Returned) => TicketStatus::Late,
            Some(Stage::Admitted { .. }) => TicketStatus::Admitted,
            Some(Stage::Consumed { hold, .. }) => TicketStatus::Consumed { hold },
            Some(Stage::Left) => TicketStatus::Left,
            Some(Stage::Expired) => TicketStatus::Expired,
        }
    }

    /// Whether an earlier epoch gave this number, so that it may be requeued.
    fn is_from_earlier_epoch(&self, carried: TicketClaims) -> bool {
        carried.epoch < self.epoch && (1..=self.inherited_up_to).contains(&carried.number)
    }

    fn requeue(&mut self, buyer: BuyerId, number: u64) {
        if self.grace_ended && number > self.serving {
            self.participants.insert(buyer, Participant { number, stage: Stage::Uncounted });
        } else {
            self.participants.remove(&buyer);
        }
        self.enqueue(buyer, number);
    }

    fn enqueue(&mut self, buyer: BuyerId, number: u64) {
        self.queue.insert((number, buyer));
        self.number_of.insert(buyer, number);
    }

    fn dequeue(&mut self, buyer: BuyerId, number: u64) {
        self.queue.remove(&(number, buyer));
        self.number_of.remove(&buyer);
    }

    fn uncount(&mut self, number: u64) {
        if let Some(live) = self.buckets.get_mut(&bucket_of(number)) {
            *live = live.saturating_sub(1);
        }
    }

    /// Ends the window of a called buyer when it has run out.
    fn end_window(&mut self, buyer: BuyerId, now: Timestamp) {
        if let Some(participant) = self.participants.get_mut(&buyer)
            && let Stage::Called { until, second } = participant.stage
            && until <= now
        {
            participant.stage = if second { Stage::Expired } else { Stage::Late };
            self.called.remove(&(until, buyer));
        }
    }

    pub(super) fn publish(&mut self, term: Term, frame: Bytes) -> PublishOutcome {
        if term < self.last_batch.term {
            return PublishOutcome::StaleTerm;
        }
        self.frame = Some(frame);
        PublishOutcome::Stored
    }

    pub(super) fn call(&mut self, batch: CallBatch) -> CallOutcome {
        let last = self.last_batch;
        if batch.term < last.term {
            return CallOutcome::StaleTerm { term: last.term };
        }
        if batch.term == last.term && batch.seq == last.seq {
            return CallOutcome::Called { called: last.called, serving: last.serving };
        }
        if batch.term == last.term && batch.seq < last.seq {
            return CallOutcome::Called { called: 0, serving: self.serving };
        }
        let calls = usize::try_from(batch.calls).unwrap_or(usize::MAX);
        let lowest: Vec<_> =
            self.queue.iter().take_while(|(number, _)| *number <= batch.up_to).take(calls).copied().collect();
        let before = self.serving;
        for (number, buyer) in &lowest {
            self.call_one(*buyer, *number, before, batch.until);
        }
        let called = lowest.len() as u64;
        self.called_total += called;
        self.last_batch = LastBatch { term: batch.term, seq: batch.seq, called, serving: self.serving };
        CallOutcome::Called { called, serving: self.serving }
    }

    fn call_one(&mut self, buyer: BuyerId, number: u64, before: u64, until: Timestamp) {
        let stage = self.participants.get(&buyer).map(|participant| participant.stage);
        if number > before && stage.is_none() {
            self.uncount(number);
        }
        self.dequeue(buyer, number);
        let second = stage == Some(Stage::Returned);
        self.participants.insert(buyer, Participant { number, stage: Stage::Called { until, second } });
        self.called.insert((until, buyer));
        self.serving = self.serving.max(number);
    }

    pub(super) fn sweep(&mut self, now: Timestamp) -> u64 {
        let ended: Vec<_> = self
            .called
            .iter()
            .take_while(|(until, _)| *until <= now)
            .take(MAX_SWEPT)
            .map(|(_, buyer)| *buyer)
            .collect();
        for buyer in &ended {
            self.end_window(*buyer, now);
        }
        self.active_passes.retain(|(expires_at, _)| *expires_at > now);
        ended.len() as u64
    }

    pub(super) fn enter(&mut self, requests: &[EnterRequest], now: Timestamp) -> Vec<EnterOutcome> {
        requests.iter().map(|request| self.enter_one(request, now)).collect()
    }

    fn enter_one(&mut self, request: &EnterRequest, now: Timestamp) -> EnterOutcome {
        let Place { buyer, number } = request.place;
        match self.status_of(buyer, TicketClaims { number, epoch: request.ticket_epoch }, now) {
            TicketStatus::Called { until } => {
                self.called.remove(&(until, buyer));
                self.participants
                    .insert(buyer, Participant { number, stage: Stage::Admitted { expires_at: request.expires_at } });
                self.active_passes.insert((request.expires_at, number));
                self.admitted_total += 1;
                EnterOutcome::Admitted { expires_at: request.expires_at }
            }
            TicketStatus::Admitted => {
                EnterOutcome::Admitted { expires_at: self.pass_end(buyer).unwrap_or(request.expires_at) }
            }
            status @ (TicketStatus::Waiting | TicketStatus::Late) => EnterOutcome::NotCalled(status),
            status @ (TicketStatus::Consumed { .. } | TicketStatus::Left | TicketStatus::Expired) => {
                EnterOutcome::Gone(status)
            }
        }
    }

    pub(super) fn leave(&mut self, places: &[Place], now: Timestamp) -> Vec<TicketStatus> {
        places.iter().map(|place| self.leave_one(*place, now)).collect()
    }

    fn leave_one(&mut self, place: Place, now: Timestamp) -> TicketStatus {
        let Place { buyer, number } = place;
        // The epoch before this one: a number of this epoch is above `inherited_up_to` and is not requeued anyway.
        let status_before = self.status_of(buyer, TicketClaims { number, epoch: self.epoch - 1 }, now);
        match status_before {
            TicketStatus::Waiting => {
                if number > self.serving && !self.participants.contains_key(&buyer) {
                    self.uncount(number);
                }
                self.dequeue(buyer, number);
            }
            TicketStatus::Late => self.dequeue(buyer, number),
            TicketStatus::Called { until } => {
                self.called.remove(&(until, buyer));
            }
            TicketStatus::Admitted => self.drop_pass(buyer),
            TicketStatus::Consumed { .. } | TicketStatus::Left | TicketStatus::Expired => return status_before,
        }
        self.participants.insert(buyer, Participant { number, stage: Stage::Left });
        if number > self.serving {
            self.departed.push(number);
        }
        status_before
    }

    fn drop_pass(&mut self, buyer: BuyerId) {
        if let Some(Participant { number, stage: Stage::Admitted { expires_at } }) = self.participants.get(&buyer) {
            self.active_passes.remove(&(*expires_at, *number));
        }
    }

    /// When the unused pass of an admitted buyer ends.
    fn pass_end(&self, buyer: BuyerId) -> Option<Timestamp> {
        match self.participants.get(&buyer)?.stage {
            Stage::Admitted { expires_at } => Some(expires_at),
            _ => None,
        }
    }

    /// From now on only those earlier numbers count that were requeued.
    pub(super) fn end_grace_period(&mut self) {
        if self.grace_ended {
            return;
        }
        self.grace_ended = true;
        if self.inherited_up_to <= self.serving {
            return;
        }
        for bucket in bucket_of(self.serving + 1)..=bucket_of(self.inherited_up_to) {
            let first = (bucket * sale::frame::BUCKET).max(self.serving) + 1;
            let past = (bucket + 1) * sale::frame::BUCKET + 1;
            let nobody = BuyerId::from_bytes([0; 16]);
            let returned = self.queue.range((first, nobody)..(past, nobody)).count();
            self.buckets.insert(bucket, returned as u64);
        }
    }
}

impl Participant {
    /// Whether this place is finished, so that its buyer may get a new one.
    fn is_finished(self, now: Timestamp) -> bool {
        match self.stage {
            Stage::Consumed { .. } | Stage::Left | Stage::Expired => true,
            Stage::Admitted { expires_at } => expires_at <= now,
            Stage::Uncounted | Stage::Called { .. } | Stage::Late | Stage::Returned => false,
        }
    }
}
