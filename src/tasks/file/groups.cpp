#include "groups.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/plan/group_request.hpp"
#include "pgeist/tasks/group/kind.hpp"
#include "pgeist/tasks/group/preparation.hpp"

namespace pgeist::file {

namespace {

plan::group_request group_of(const steps::step& what) {
    plan::group_request made;
    for (const steps::copied_table& each : what.copies) {
        made.members.push_back({plan::change_request_from_json(each.change), each.because});
    }
    return made;
}

/// Tables are exchanged together because one cannot be without the others: one that has its change already was changed
/// by somebody else, between the plan and now.
void require_all_to_do(const std::vector<rewrite::preparation>& all, children::made_job& made) {
    const auto done = [](const rewrite::preparation& each) { return each.nothing_to_do.has_value(); };
    const auto first = std::find_if(all.begin(), all.end(), done);
    if (first == all.end()) {
        return;
    }
    if (!std::all_of(all.begin(), all.end(), done)) {
        throw error(exit_code::refused, *first->nothing_to_do + ", and the tables it is to be exchanged with have not",
                    "remove the job with `pgeist cleanup`, and run what is left by a file of its own");
    }
    made.nothing_to_do = *first->nothing_to_do;
}

class grouping final : public children::maker {
public:
    grouping() : maker(group::kind()) {}

    [[nodiscard]] awaitable<children::made_job> make(pg::connection& session, job::advisory_locks& hold,
                                                     const task::context& with, const steps::step& of) const override {
        plan::group_request what = group_of(of);
        const auto all = co_await group::prepare(session, &hold, std::move(what), with.chosen);
        children::made_job made;
        std::vector<check::finding> findings;
        for (const rewrite::preparation& each : all) {
            findings.insert(findings.end(), each.findings.begin(), each.findings.end());
            const std::vector<std::string> warnings = rewrite::all_warnings(each);
            made.warnings.insert(made.warnings.end(), warnings.begin(), warnings.end());
        }
        rewrite::throw_if_refused(findings);
        require_all_to_do(all, made);
        made.job = all.front().job;
        co_return made;
    }
};

}  // namespace

const children::maker& groups() {
    static const grouping only;
    return only;
}

}  // namespace pgeist::file
