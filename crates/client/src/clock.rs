//! The server's clock, by which retention is measured.

use artifact_domain::wire::{AcknowledgeClock, ClockView};
use reqwest::Method;

use crate::call::Call;
use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// Whether the server's clock is trusted with deleting, as its guard last found.
    pub async fn clock(&self) -> Result<ClockView, ClientError> {
        self.send_json(&Call::get(self.address().api("/clock"), "look up the clock")).await
    }

    /// Says that the server's clock is right as it is now: deletion is allowed again. It is not
    /// repeated when the answer is lost: the clock that a second one vouches for may be another
    /// than the one that was looked at.
    pub async fn acknowledge_clock(
        &self,
        request: &AcknowledgeClock,
    ) -> Result<ClockView, ClientError> {
        let url = self.address().api("/clock/acknowledge");
        let call = Call::new(Method::POST, url, "acknowledge the clock").json(request)?;
        self.send_json(&call).await
    }
}
