#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/build/workspace.hpp"
#include "pgeist/catalog/table.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/plan/revert_plan.hpp"
#include "pgeist/task/kind.hpp"
#include "pgeist/tasks/way_back/facts.hpp"
#include "pgeist/tasks/way_back/phases.hpp"
#include "pgeist/tasks/way_back/planning.hpp"
#include "pgeist/transfer/replay/replayer.hpp"
#include "pgeist/transfer/replay/unfit.hpp"

namespace pgeist::way_back {

/// A way back at work. Begun in phase `window` it keeps the table that waits in step, for as long as was asked for, or
/// until it is told to end; begun in `catch_up` it swaps the tables and ends.
///
/// Of tables that have changed places together one leads: what it does, it does for all of them. They go back together
/// or not at all, so that the way back of one ends with that of any other. There are no foreign keys between the tables
/// that wait, and their triggers sleep: each log is replayed by itself, in whatever order. Only the swap back needs
/// them all as they were at one instant, and gives them their keys again.
class work : public task::work {
public:
    work(const task::kind& kind, const task::context& with, const job::record& job);
    ~work() override;

    [[nodiscard]] awaitable<void> begin(const task::phase& next) override;
    [[nodiscard]] awaitable<std::int64_t> done_before(const task::phase& next) override;
    [[nodiscard]] awaitable<const task::phase*> carry_out(const task::phase& now) override;
    [[nodiscard]] std::optional<std::string> resting_state(const task::phase& now) const override;
    [[nodiscard]] awaitable<void> watch(pg::connection& session, const task::phase& now) override;
    [[nodiscard]] awaitable<void> compare() override;
    [[nodiscard]] bool in_effect() const noexcept override { return has_swapped_; }
    [[nodiscard]] bool has_told_effect() const noexcept override { return told_swap_; }

    /// These are of its group, and outlive what it does from now on.
    void lead(std::vector<work*> others);

protected:
    /// `pgeist verify` asks this for all tables, of whoever leads: the others are to answer it too.
    virtual void comparison_asked(std::int64_t) {}

private:
    using clock = deadline::clock;
    struct on_its_way;
    using all_on_their_way = std::vector<std::unique_ptr<on_its_way>>;

    [[nodiscard]] const task::phase& at(step which) const;
    [[nodiscard]] build::workspace workspace_of(const transfer::spec& transfer, const plan::blueprint& plan) const;
    [[nodiscard]] awaitable<const task::phase*> do_phase(step now);
    /// With the others, it first.
    [[nodiscard]] std::vector<work*> all();
    [[nodiscard]] awaitable<void> enter_others(step now);
    [[nodiscard]] awaitable<void> fill_anew();

    // window.cpp
    [[nodiscard]] awaitable<const task::phase*> keep_all_in_step();
    [[nodiscard]] awaitable<void> begin_window();
    [[nodiscard]] awaitable<void> keep_in_step();
    [[nodiscard]] awaitable<void> replay_pass();
    [[nodiscard]] awaitable<void> look_what_others_did(std::exception_ptr failure, bool misses_column, bool forbidden);
    [[nodiscard]] awaitable<void> catch_up(std::chrono::milliseconds budget);
    [[nodiscard]] awaitable<void> look(pg::connection& session);
    [[nodiscard]] awaitable<std::optional<std::string>> why_closed(pg::connection& session);
    [[nodiscard]] std::optional<std::string> note_others(const catalog::table& found);
    [[nodiscard]] awaitable<std::optional<std::chrono::milliseconds>> time_left(pg::connection& session);
    [[nodiscard]] awaitable<replay::unfit_look> note_unfit(pg::connection& session);
    [[nodiscard]] awaitable<void> switch_off(pg::connection& session, std::string why);
    [[nodiscard]] awaitable<void> end_all_captures(pg::connection& session, const std::string& why);
    [[nodiscard]] awaitable<void> end_capture(pg::connection& session, const std::string& why);
    void require_open() const;
    void require_name_kept() const;
    void tell_renaming();
    [[nodiscard]] awaitable<void> give_up();
    [[nodiscard]] awaitable<void> compare_in_turn();
    [[nodiscard]] awaitable<void> compare_meanwhile(std::optional<std::int64_t> asked);

    // comparison.cpp
    [[nodiscard]] awaitable<void> compare_each();
    [[nodiscard]] awaitable<void> compare_one(work& which, bool& stop);
    [[nodiscard]] awaitable<void> compare_rows(double percent, job::comparison& found);
    [[nodiscard]] awaitable<void> replay_until(const bool& stop);
    [[nodiscard]] awaitable<void> compare_at_rest();

    // foreign_keys.cpp
    [[nodiscard]] awaitable<void> look_at_keys();
    [[nodiscard]] awaitable<void> settle_keys();
    void watch_keys(const std::vector<planned>& made);
    [[nodiscard]] awaitable<void> plan_meanwhile();
    [[nodiscard]] awaitable<void> note_violations(const std::vector<planned>& made);

    // swap_back.cpp
    [[nodiscard]] awaitable<const task::phase*> prepare_swap();
    [[nodiscard]] awaitable<void> look_at_in_use(pg::connection& session);
    [[nodiscard]] awaitable<void> look_whether_open();
    [[nodiscard]] awaitable<void> require_all_fit();
    [[nodiscard]] awaitable<void> try_plan(pg::connection& session, std::vector<planned>& made);
    [[nodiscard]] awaitable<void> make_plan(pg::connection& session, std::vector<planned>& into);
    [[nodiscard]] awaitable<const task::phase*> swap();
    [[nodiscard]] static awaitable<void> pass_of(const all_on_their_way& tables);
    [[nodiscard]] awaitable<void> wait_for_permission(const all_on_their_way& tables);
    [[nodiscard]] awaitable<void> ask_hooks(const all_on_their_way& tables);
    [[nodiscard]] awaitable<report::swap_outcome> exchange(const all_on_their_way& tables);
    [[nodiscard]] awaitable<std::optional<report::swap_outcome>> try_to_swap(const all_on_their_way& tables);
    void has_been_swapped(plan::revert_plan next);
    [[nodiscard]] awaitable<void> tell_swap(report::swap_outcome done);
    [[nodiscard]] awaitable<void> finish_all();
    [[nodiscard]] awaitable<void> validate();
    [[nodiscard]] awaitable<void> finish();
    [[nodiscard]] plan::blueprint last_swap() const;

    const task::kind* kind_;
    task::context with_;
    plan::blueprint plan_;    ///< of the job's first swap
    plan::revert_plan back_;  ///< as the job's row has it
    plan::change_request change_;
    facts asked_;
    bool rests_;               ///< when this object was made: in phase `window`
    transfer::spec transfer_;  ///< into the table that waits, as long as this object has not swapped
    build::workspace work_;
    replay::replayer changes_;
    std::vector<work*> others_;     ///< of which this one is the leader
    work* leader_;                  ///< this one, if there is no other
    bool keeps_ = false;            ///< no more is done than to keep the table that waits in step, and to compare
    bool one_is_compared_ = false;  ///< of all, where this one leads: in the window
    bool has_swapped_ = false;
    bool told_swap_ = false;
    std::optional<std::string> closed_;  ///< nothing is logged any more, and why
    std::string seen_fingerprint_;       ///< of the table in use, looked at and found to be no hindrance
    std::string renamed_;                ///< what the table in use is called now, in a sentence; empty: its name
    std::string told_renaming_;
    std::string gone_column_;                   ///< that the change added and others have dropped: nobody else needs it
    std::string stored_unfit_;                  ///< as it was stored last, without the time
    std::optional<std::int64_t> to_answer_;     ///< what `pgeist verify` asks for and no comparison has been begun for
    std::vector<plan::statement> key_queries_;  ///< for rows that foreign keys of the table that waits would refuse
    replay::unfit_look violating_;              ///< what they found last
    clock::time_point next_look_;
    clock::time_point next_size_;
    clock::time_point next_comparison_;
    clock::time_point next_unfit_;
    clock::time_point next_look_at_keys_;
};

}  // namespace pgeist::way_back
