#include "pgeist/tasks/native/kind.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/tasks/native/engine.hpp"
#include "pgeist/tasks/native/preparation.hpp"

namespace pgeist::native {

awaitable<void> undo_steps(task::undo_context& at) {
    if (at.own_state) {
        const auto all = co_await steps::load_steps(at.session, at.mine.job);
        for (const steps::stored_step& each : all) {
            if (each.state == steps::state::started || each.state == steps::state::failed) {
                const int stay = co_await take_back(at.session, at.mine, each.what, each.actions_done);
                if (stay > 0) {
                    at.observer.message(report::level::warning, what_stays(each.what));
                }
            }
        }
    }
    co_await concurrently::undo(at);
    const auto removing = [&] { return job::remove(at.session, at.mine.job); };
    co_await job::in_tenure(at.session, at.mine, pg::isolation::read_committed, removing);
}

namespace {

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = kind_name;
    all.strategy = "native";
    all.effect = "the table has its new definition";
    all.undone = "what was not finished is taken back; steps that were done stay";
    return all;
}

std::vector<task::phase> own_phases() {
    task::phase work =
        task::make_phase("steps", "make the change step by step", "as each step says, under lock_timeout");
    work.resumed = task::resume_from::checkpoint;
    work.undo = undo_steps;
    return {std::move(work), task::make_last_phase()};
}

/// A native job at work: the engine, and what is to be known of the result.
class at_work final : public task::work {
public:
    at_work(const task::kind& kind, const task::context& with, const job::record& job)
        : kind_(&kind), with_(with), table_oid_(job.table_oid) {}

    [[nodiscard]] awaitable<void> begin(const task::phase&) override { co_return; }
    [[nodiscard]] awaitable<std::int64_t> done_before(const task::phase&) override { co_return 0; }
    [[nodiscard]] awaitable<const task::phase*> carry_out(const task::phase& now) override;
    [[nodiscard]] awaitable<void> watch(pg::connection&, const task::phase&) override { co_return; }
    [[nodiscard]] awaitable<void> compare() override { co_return; }
    [[nodiscard]] bool in_effect() const noexcept override { return false; }
    [[nodiscard]] bool has_told_effect() const noexcept override { return false; }

private:
    [[nodiscard]] awaitable<void> note_result();

    const task::kind* kind_;
    task::context with_;
    std::int64_t table_oid_;
};

awaitable<const task::phase*> at_work::carry_out(const task::phase& now) {
    engine through(with_);
    co_await through.run();
    co_await note_result();
    co_return &kind_->next(now);
}

/// A second run of the same change does nothing.
awaitable<void> at_work::note_result() {
    const auto session = co_await with_.pool.acquire();
    const std::string fingerprint = co_await catalog::fingerprint(*session, table_oid_);
    if (!fingerprint.empty()) {
        co_await job::save_result(*session, with_.mine, table_oid_, fingerprint);
    }
}

class native_kind final : public task::kind {
public:
    native_kind() : task::kind(own_words(), own_phases()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with,
                                                      const job::record& job) const override {
        return std::make_unique<at_work>(*this, with, job);
    }
    [[nodiscard]] std::string describe(const std::string& change) const override {
        return plan::change_request_from_json(change).describe();
    }
    [[nodiscard]] pg::session_profile profile_of(const std::string& plan) const override { return profile_in(plan); }
    [[nodiscard]] std::string with_profile(const std::string&, pg::session_profile profile) const override {
        return plan_with(profile);
    }
    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool) const override {
        return error(exit_code::refused,
                     fmt::format("job {} changes the table where it is: there is no copy of it", job.id),
                     "only a copy can be compared");
    }
};

}  // namespace

const task::kind& kind() {
    static const native_kind only;
    return only;
}

}  // namespace pgeist::native
