#include "pgeist/tasks/rehearse/kind.hpp"

#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/tasks/rewrite/phases.hpp"
#include "work.hpp"

namespace pgeist::rehearse {

namespace {

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = kind_name;
    all.strategy = "rehearsal";
    all.effect = "the rehearsal is over";
    all.meanwhile = "changes go on being captured";
    return all;
}

/// Those of a rewrite, of whose last ones nothing is in effect.
std::vector<task::phase> all_phases() {
    std::vector<task::phase> all = rewrite::phases();
    const auto at = [&](rewrite::step which) -> task::phase& { return all[static_cast<std::size_t>(which)]; };
    task::phase& swap = at(rewrite::step::swap);
    swap.name = "rehearse";
    swap.told.name = "rehearse";
    swap.purpose = "look who would be in the way of the swap, or do it and roll it back";
    swap.told.lock = "as --locks says";
    task::phase& end = at(rewrite::step::finish);
    end = task::make_phase("take_back", "take off the triggers, drop the shadow table",
                           "ACCESS EXCLUSIVE, momentarily, under lock_timeout");
    end.stops_at_critical_load = false;
    return all;
}

class rehearsing final : public rewrite::rewriting {
public:
    rehearsing() : rewriting(own_words(), all_phases()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with,
                                                      const job::record& job) const override {
        return std::make_unique<rehearse::work>(*this, with, job);
    }
    [[nodiscard]] std::vector<qualified_name> written_tables(const job::record& job) const override {
        const bool taken_back = !is_before(reached(job), phase_named("take_back"));
        return taken_back ? std::vector<qualified_name>() : rewriting::written_tables(job);
    }
};

}  // namespace

const task::kind& kind() {
    static const rehearsing only;
    return only;
}

}  // namespace pgeist::rehearse
