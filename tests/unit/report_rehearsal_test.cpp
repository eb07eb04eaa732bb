#include "pgeist/report/rehearsal.hpp"

#include <gtest/gtest.h>

#include "pgeist/commands/rehearsal.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::report {
namespace {

rehearsal sample() {
    rehearsal found;
    found.table = "public.t";
    found.change = "public.t: REPACK";
    found.locks = "sample";
    found.phases = {{"capture", 10, 100}, {"copy", 1000, 10'000}, {"key", 500, 1000}, {"verify", 2000, 0}};
    found.elapsed_ms = 4000;
    found.wal_bytes = 11'100;
    found.space_bytes = 50'000;
    found.rows = 1'000'000;
    found.predicted_lock_ms = 12.5;
    found.lock_free_percent = 87.5;
    found.looks = 40;
    found.blockers = {{4711, "app", "nightly", "SELECT a | b", 5000, 5}};
    return found;
}

TEST(report_rehearsal, survives_json) {
    const rehearsal back = rehearsal_from_json(to_json(sample()));
    EXPECT_EQ(to_json(back), to_json(sample()));
    EXPECT_EQ(back.phases.size(), 4U);
    EXPECT_EQ(back.lock_free_percent, 87.5);
    EXPECT_FALSE(back.lock_ms);
    EXPECT_EQ(to_json(back).find("scaled"), std::string::npos);
}

TEST(report_rehearsal, scales_each_phase_by_what_it_is_about) {
    const table_size here{900'000, 1000, 500};
    const table_size there{10'000'000, 20'000, 10'000};
    const rehearsal::totals all = scaled_to(sample(), here, there);
    // 490 of no phase, 10, 1000 * 10, 500 * 10 * log(10M) / log(1M), 2000 * 20
    EXPECT_NEAR(static_cast<double>(all.elapsed_ms), 490 + 10 + 10'000 + 5833 + 40'000, 5);
    EXPECT_EQ(all.space_bytes, 20 * 50'000);
    EXPECT_EQ(all.wal_bytes, 100 + 20 * 10'000 + 20 * 1000);
    const rehearsal::totals same = scaled_to(sample(), here, {1'000'000, 1000, 500});
    EXPECT_EQ(same.elapsed_ms, 4000);
}

TEST(report_rehearsal, makes_a_table_that_no_value_breaks) {
    const std::string text = markdown(sample());
    EXPECT_NE(text.find("| lock | about 12.5 ms, predicted |"), std::string::npos) << text;
    EXPECT_NE(text.find("SELECT a \\| b"), std::string::npos) << text;
}

TEST(report_rehearsal, is_judged_by_scaled_and_measured_figures_where_there_are_some) {
    const std::vector<commands::rehearsal_limit> limits{commands::parse_rehearsal_limit("lock > 20ms"),
                                                        commands::parse_rehearsal_limit("time >= 4s"),
                                                        commands::parse_rehearsal_limit("space > 1MB")};
    rehearsal found = sample();
    EXPECT_EQ(commands::passed_limits(found, limits).size(), 1U) << "the time";
    found.lock_ms = 21;
    found.scaled = rehearsal::totals{3000, 0, 2 << 20};
    const auto passed = commands::passed_limits(found, limits);
    ASSERT_EQ(passed.size(), 2U);
    EXPECT_EQ(passed[0], "lock 21.0 ms (--fail-if \"lock > 20ms\")");
    EXPECT_EQ(passed[1], "space 2048 kB (--fail-if \"space > 1MB\")");
}

TEST(report_rehearsal, takes_the_size_from_a_plan) {
    run::settings chosen;
    commands::read_scale(R"({"event":"plan","estimated_rows":7,"table_bytes":8,"index_bytes":9})"
                         "\n",
                         chosen);
    EXPECT_EQ(chosen.scale_rows, 7);
    EXPECT_EQ(chosen.scale_index_bytes, 9);
    EXPECT_THROW(commands::read_scale("{}", chosen), usage_error);
    EXPECT_THROW(commands::read_scale("no plan", chosen), usage_error);
}

}  // namespace
}  // namespace pgeist::report
