#include "pgeist/tasks/children/children.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::children {

namespace {

plan::change_request change_of(const steps::step& of) {
    plan::change_request change;
    if (!of.copies.empty()) {
        return plan::change_request_from_json(of.copies.front().change);
    }
    if (!of.table.empty()) {
        change.table = parse_qualified_name(of.table);
    }
    change.alters.push_back(of.statement);
    return change;
}

class copying final : public maker {
public:
    copying() : maker(rewrite::kind()) {}

    [[nodiscard]] awaitable<made_job> make(pg::connection& session, job::advisory_locks& hold,
                                           const task::context& with, const steps::step& of) const override {
        plan::change_request change = change_of(of);
        rewrite::preparation prepared = co_await rewrite::prepare(session, &hold, change, with.chosen);
        rewrite::throw_if_refused(prepared.findings);
        made_job made;
        made.job = prepared.job;
        made.nothing_to_do = std::move(prepared.nothing_to_do);
        made.warnings = rewrite::all_warnings(prepared);
        co_return made;
    }
};

}  // namespace

const maker& copies() {
    static const copying only;
    return only;
}

}  // namespace pgeist::children
