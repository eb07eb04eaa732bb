// How workers are dealt out among tables that are copied side by side, and what is told of them.

#include <gtest/gtest.h>

#include "../../src/tasks/group/worker_budget.hpp"
#include "pgeist/plan/swap_plan.hpp"
#include "pgeist/report/fan_out.hpp"

namespace pgeist {
namespace {

TEST(worker_budget, the_largest_begin_first_and_no_more_than_there_are_workers) {
    group::worker_budget budget;
    budget.add(1, 10);
    budget.add(2, 1000);
    budget.add(3, 100);
    EXPECT_FALSE(budget.may_begin(1, 2)) << "two larger ones wait";
    EXPECT_FALSE(budget.may_begin(3, 2)) << "a larger one waits";
    EXPECT_TRUE(budget.may_begin(2, 2));
    budget.begins(2);
    EXPECT_TRUE(budget.may_begin(3, 2));
    budget.begins(3);
    EXPECT_FALSE(budget.may_begin(1, 2)) << "no worker is left";
    budget.ends(2);
    EXPECT_TRUE(budget.may_begin(1, 2));
}

TEST(worker_budget, what_is_over_goes_to_the_largest_at_work) {
    group::worker_budget budget;
    budget.add(1, 10);
    budget.add(2, 1000);
    budget.begins(1);
    EXPECT_EQ(budget.share(1, 5), 5);
    budget.begins(2);
    EXPECT_EQ(budget.share(2, 5), 3);
    EXPECT_EQ(budget.share(1, 5), 2);
    EXPECT_EQ(budget.share(1, 1), 1) << "one at least";
    budget.ends(2);
    EXPECT_EQ(budget.share(1, 5), 5);
}

TEST(swap_plan_of_several, locks_each_table_once) {
    plan::swap_plan plan;
    plan.add(plan::stage::detach, {"", "key"}).locks = {{plan::lock_way::table, {"a", "parent"}, ""},
                                                        {plan::lock_way::table, {"a", "outside"}, ""}};
    const std::vector<qualified_name> in_use{{"a", "parent"}, {"a", "child"}};
    EXPECT_EQ(plan.locked_besides(in_use), (std::vector<qualified_name>{{"a", "outside"}}));
    EXPECT_EQ(plan.lock_tables(in_use),
              R"(LOCK TABLE "a"."parent", "a"."child", "a"."outside" IN ACCESS EXCLUSIVE MODE)");
}

class one_job : public report::observer {
public:
    explicit one_job(std::vector<std::string>& into) : into_(&into) {}
    void job_started(std::int64_t job, const std::string&, const std::string&) override {
        into_->push_back("job " + std::to_string(job));
    }
    void phase_started(const report::phase& now) override { into_->push_back(now.name); }
    void progressed(const report::progress&) override {}
    void lock_waited(int, report::milliseconds, const std::vector<report::blocker>&) override {}
    void verified(const report::verification&) override {}
    void swapped(const report::swap_outcome&) override { into_->push_back("swapped"); }
    void message(report::level, const std::string& text) override { into_->push_back(text); }
    void finished(const report::outcome&) override {}

private:
    std::vector<std::string>* into_;
};

TEST(fan_out, tells_of_a_job_beside_the_first_by_messages_alone) {
    std::vector<std::string> told;
    report::fan_out all;
    all.add(std::make_unique<one_job>(told));
    all.job_started(1, "public.parent", "shadow");
    all.concerns(2);
    all.job_started(2, "public.child", "shadow");
    all.phase_started({"copy", ""});
    all.message(report::level::warning, "it is large");
    all.swapped({});
    all.concerns(1);
    all.phase_started({"finish", ""});
    EXPECT_EQ(told, (std::vector<std::string>{"job 1", "job 2 (public.child): it is large",
                                              "job 2 (public.child): exchanged in the same transaction", "finish"}));
}

}  // namespace
}  // namespace pgeist
