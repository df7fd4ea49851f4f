//! Measures how many multiplications this computer does in a second, in training.

use std::convert::Infallible;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::llm::cost::pace;
use crate::state::prefs::PanelId;

pub struct MeasureSpeed;

impl Work for MeasureSpeed {
    type Request = ();
    type Event = ();
    type Output = f64;
    type Error = Infallible;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("Measuring the speed") };

    fn run((): (), _services: &Services, _progress: &dyn Progress<()>) -> Result<f64, Infallible> {
        Ok(pace::multiplications_per_sec())
    }
}

impl Task<Workbench> for MeasureSpeed {
    fn done(self, pace: f64, app: &mut Workbench) {
        app.state.models.pace = Some(pace);
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }
}

impl Workbench {
    /// Once, and not beside something that has the processor: that would be measured along.
    pub(crate) fn measure_speed(&mut self) {
        if self.tasks.is_computing_beside::<MeasureSpeed>() {
            if self.tasks.has::<MeasureSpeed>() {
                self.tasks.drop_all::<MeasureSpeed>();
                self.speed_wanted = true; // again, when that has ended
            }
        } else if self.speed_wanted && self.state.hub.detail.is_some() {
            self.speed_wanted = false;
            self.start(MeasureSpeed, ());
        }
    }
}
