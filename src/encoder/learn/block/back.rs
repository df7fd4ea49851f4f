//! The backward pass through a layer.

use tuning_fork_kernels::gemm::Result as Written;

use super::{Block, BlockTape, Common, Gate, Projections, Shared, gather, multiply, texts};
use crate::encoder::learn::attention::{self, Inputs, Slopes};
use crate::encoder::learn::dropouts::site;
use crate::encoder::learn::layers::{Pass, activate, activate_back, copy};
use crate::encoder::learn::mask::Site;
use crate::encoder::learn::weights::Grads;
use crate::encoder::stack::Order;
use crate::llm::config::Activation;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows;
use crate::llm::net::rows::Stripes;

impl Block {
    /// From the gradient by what [`Self::forward`] gave to that by `x`, where it is wanted.
    pub fn backward(
        &self,
        common: &Common<'_>,
        tape: BlockTape,
        grad: Buffer,
        (grads, shared): (&mut Grads, &mut Shared),
        wants_x: bool,
    ) -> Option<Buffer> {
        let (pass, before) = (common.pass, common.order == Order::NormBefore);
        let BlockTape { x, q, k, v, attended, middle, cross, crossed, inner, gate, sum, only } =
            tape;
        let width = self.o.outputs;
        // The feed-forward part.
        let sum_grad = match self.feed_norm.filter(|_| !before) {
            Some(norm) => norm.backward(pass, &sum, &grad, grads),
            None => grad,
        };
        let last = if cross.is_some() { &crossed } else { &middle };
        let read = self.feed_input(common, last);
        let feed_grad = self.feed_back(
            common,
            (read.as_deref().unwrap_or(last), inner, gate),
            &sum_grad,
            grads,
        );
        drop(read);
        let mut middle_grad = sum_grad;
        match (before, self.middle_norm(), self.feed_norm) {
            (true, _, Some(norm)) => {
                rows::add(&mut middle_grad, &norm.backward(pass, last, &feed_grad, grads));
            }
            (false, Some(norm), _) => {
                rows::add(&mut middle_grad, &feed_grad);
                middle_grad = norm.backward(pass, last, &middle_grad, grads);
            }
            _ => rows::add(&mut middle_grad, &feed_grad),
        }
        drop(feed_grad);
        if let (Some(part), Some(tape), Some(around)) = (&self.cross, cross, common.around()) {
            let wanted = !shared.memory.is_empty();
            let to = wanted.then_some(&mut *shared.memory);
            middle_grad = part.backward(around, (tape, middle_grad), (grads, to));
            if let Some(norm) = self.attention_norm.filter(|_| !before) {
                middle_grad = norm.backward(pass, &middle, &middle_grad, grads);
            }
        }
        // Attention.
        let site = Site::new(site::ATTENTION_OUT, self.index);
        let dropped = pass.dropped(site, common.dropouts.attention_out, &middle_grad);
        let mut attended_grad = Buffer::any(attended.len());
        let to = Some((&mut *attended_grad, Written::Replace));
        self.o.backward(pass, &attended, dropped.as_deref().unwrap_or(&middle_grad), (grads, to));
        let places = self.places(common);
        let texts = texts(common.spans, only.is_some());
        let inputs = Inputs { q: &q, k: &k, v: &v };
        let mut slopes = attention::backward(
            self.rules(common, places.as_ref()),
            inputs,
            &texts,
            &attended_grad,
        );
        self.turn(common, (&mut slopes.q, &mut slopes.k), only.is_some(), -1.0);
        self.places_back(common, &slopes, (grads, shared));
        let read = self.attention_norm.filter(|_| before).map(|norm| norm.forward(pass, &x));
        let seen = read.as_deref().unwrap_or(&x);
        let wants_read = wants_x || self.wants_norm(grads, before);
        let mut read_grad = if wants_read { Buffer::any(x.len()) } else { Buffer::default() };
        let to = wants_read.then_some(&mut *read_grad);
        self.project_back(pass, seen, only.as_deref(), &slopes, grads, to);
        if !wants_read {
            return None;
        }
        let mut x_grad = match self.attention_norm.filter(|_| before) {
            Some(norm) => norm.backward(pass, &x, &read_grad, grads),
            None => read_grad,
        };
        match &only {
            None => rows::add(&mut x_grad, &middle_grad),
            Some(only) => {
                for (row, grad) in only.iter().zip(middle_grad.chunks_exact(width)) {
                    rows::add_scaled(&mut x_grad[row * width..(row + 1) * width], 1.0, grad);
                }
            }
        }
        Some(x_grad)
    }

    fn wants_norm(&self, grads: &Grads, before: bool) -> bool {
        let norm = self.attention_norm.filter(|_| before);
        norm.is_some_and(|norm| grads.wants(norm.weight))
    }

    /// The gradient by what the feed-forward part saw.
    fn feed_back(
        &self,
        common: &Common<'_>,
        (seen, mut inner, mut gate): (&[f32], Buffer, Buffer),
        grad: &[f32],
        grads: &mut Grads,
    ) -> Buffer {
        let pass = common.pass;
        let dropped =
            pass.dropped(Site::new(site::FEED_OUT, self.index), common.dropouts.feed_out, grad);
        let grad = dropped.as_deref().unwrap_or(grad);
        let active = self.active(common, &inner, &gate);
        let mut active_grad = Buffer::any(active.len());
        let to = Some((&mut *active_grad, Written::Replace));
        self.last.backward(pass, &active, grad, (grads, to));
        drop(active);
        pass.drop(Site::new(site::INNER, self.index), common.dropouts.inner, &mut active_grad);
        let mut seen_grad = Buffer::any(seen.len());
        match &self.gate {
            Gate::None => {
                activate_back(self.activation, &mut inner, &active_grad);
                let to = Some((&mut *seen_grad, Written::Replace));
                self.first.backward(pass, seen, &inner, (grads, to));
            }
            Gate::Own(layer) => {
                gated_back(self.activation, (&mut inner, &mut gate), &active_grad);
                let to = Some((&mut *seen_grad, Written::Replace));
                self.first.backward(pass, seen, &inner, (grads, to));
                let to = Some((&mut *seen_grad, Written::Add));
                layer.backward(pass, seen, &gate, (grads, to));
            }
            Gate::Fused => {
                let [mut first, mut second] = self.halves().map(|half| half.take(&inner));
                gated_back(self.activation, (&mut first, &mut second), &active_grad);
                for (half, part) in self.halves().iter().zip([&first, &second]) {
                    half.put(part, &mut inner);
                }
                let to = Some((&mut *seen_grad, Written::Replace));
                self.first.backward(pass, seen, &inner, (grads, to));
            }
        }
        seen_grad
    }

    #[expect(clippy::too_many_arguments, reason = "what a layer's backward pass has at hand")]
    fn project_back(
        &self,
        pass: Pass<'_>,
        seen: &[f32],
        only: Option<&[usize]>,
        slopes: &Slopes,
        grads: &mut Grads,
        to: Option<&mut [f32]>,
    ) {
        let width = self.o.outputs;
        match (&self.qkv, to) {
            (Projections::Apart(apart), mut to) => {
                let [q, k, v] = &**apart;
                k.backward(
                    pass,
                    seen,
                    &slopes.k,
                    (grads, to.as_deref_mut().map(|to| (to, Written::Replace))),
                );
                v.backward(
                    pass,
                    seen,
                    &slopes.v,
                    (grads, to.as_deref_mut().map(|to| (to, Written::Add))),
                );
                let Some(only) = only else {
                    return q.backward(
                        pass,
                        seen,
                        &slopes.q,
                        (grads, to.map(|to| (to, Written::Add))),
                    );
                };
                let some = gather(seen, width, only);
                let mut some_grad = Buffer::any(some.len());
                let into = to.is_some().then_some((&mut *some_grad, Written::Replace));
                q.backward(pass, &some, &slopes.q, (grads, into));
                let Some(to) = to else { return };
                for (row, grad) in only.iter().zip(some_grad.chunks_exact(width)) {
                    rows::add_scaled(&mut to[row * width..(row + 1) * width], 1.0, grad);
                }
            }
            (Projections::Fused(fused), to) => {
                let attended = self.o.inputs;
                let mut all = Buffer::zeroed(slopes.k.len() * 3);
                let [of_q, of_k, of_v] = Stripes::of([attended; 3], 1);
                of_k.put(&slopes.k, &mut all);
                of_v.put(&slopes.v, &mut all);
                match only {
                    None => of_q.put(&slopes.q, &mut all),
                    Some(only) => {
                        for (row, grad) in only.iter().zip(slopes.q.chunks_exact(attended)) {
                            all[row * 3 * attended..][..attended].copy_from_slice(grad);
                        }
                    }
                }
                fused.backward(pass, seen, &all, (grads, to.map(|to| (to, Written::Replace))));
            }
        }
    }

    /// Adds what the layer says of learned distances.
    fn places_back(
        &self,
        common: &Common<'_>,
        slopes: &Slopes,
        (grads, shared): (&mut Grads, &mut Shared),
    ) {
        if !slopes.distances.is_empty() {
            shared.distances.resize(slopes.distances.len(), 0.0);
            rows::add_scaled(&mut shared.distances, 1.0, &slopes.distances);
        }
        let Some(places) = &common.places else { return };
        let dropped = self.dropped_places(common);
        let learned = dropped.as_deref().unwrap_or(places.learned);
        let mut learned_grad = Buffer::zeroed(learned.len());
        for (layer, grad) in self.place_layers().into_iter().zip([&slopes.keys, &slopes.queries]) {
            let Some(layer) = layer.filter(|_| !grad.is_empty()) else { continue };
            let to = Some((&mut *learned_grad, Written::Add));
            layer.backward(common.pass, learned, grad, (grads, to));
        }
        common.pass.drop(
            Site::new(site::PLACES, self.index),
            common.dropouts.places,
            &mut learned_grad,
        );
        shared.places.resize(learned.len(), 0.0);
        rows::add_scaled(&mut shared.places, 1.0, &learned_grad);
    }
}

/// `inner` and `gate` become their gradients, where act(inner) · gate went on.
fn gated_back(activation: Activation, (inner, gate): (&mut [f32], &mut [f32]), grad: &[f32]) {
    let mut active = copy(inner);
    activate(activation, &mut active);
    multiply(&mut active, grad);
    multiply(gate, grad);
    activate_back(activation, inner, gate);
    gate.copy_from_slice(&active);
}
