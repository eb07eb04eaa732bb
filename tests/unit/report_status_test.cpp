#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "pgeist/report/json/status_json.hpp"
#include "pgeist/report/terminal/status_view.hpp"

namespace pgeist::report {
namespace {

report::job_status copying() {
    report::job_status one;
    one.job = 3;
    one.table = "public.orders";
    one.phase = "copy";
    one.state = "throttled";
    one.rows_done = 500;
    one.rows_total = 1000;
    one.percent = 50.0;
    one.rows_per_second = 1234.6;
    one.eta_seconds = 75.0;
    one.log_pending = 12;
    one.throttled = "replica r1 is 2 GB behind";
    one.started_at = "2026-01-01T00:00:00Z";
    one.updated_at = "2026-01-01T00:01:00Z";
    one.pid_alive = true;
    one.size_bytes = 953LL << 20;
    return one;
}

TEST(status_view, as_json_has_all_fields) {
    const auto object = boost::json::parse(status_json(copying())).as_object();
    for (const char* name :
         {"job", "table", "phase", "state", "rows_done", "rows_total", "percent", "rows_per_second", "eta_seconds",
          "log_pending", "throttled", "started_at", "updated_at", "pid_alive", "resumable", "size_bytes"}) {
        EXPECT_TRUE(object.contains(name)) << name;
    }
    EXPECT_EQ(object.at("state").as_string(), "throttled");
    EXPECT_EQ(object.at("percent").as_double(), 50);
    EXPECT_TRUE(object.at("pid_alive").as_bool());
    report::job_status unknown;
    unknown.log_pending = -1;
    const auto other = boost::json::parse(status_json(unknown)).as_object();
    for (const char* name :
         {"rows_total", "percent", "rows_per_second", "eta_seconds", "log_pending", "throttled", "old_table"}) {
        EXPECT_TRUE(other.at(name).is_null()) << name;
    }
}

TEST(status_view, as_a_table_is_aligned) {
    report::job_status done;
    done.job = 12;
    done.table = "public.a_rather_long_name";
    done.state = "done";
    done.phase = "done";
    EXPECT_EQ(status_table({copying(), done}, terminal()),
              "job  table                      state      phase   done  rows/s    ETA  log    size\n"
              "  3  public.orders              throttled  copy   50.0%   1,235  1m15s   12  953 MB\n"
              " 12  public.a_rather_long_name  done       done                           0     0 B\n");
    EXPECT_EQ(status_table({}, terminal()), "no jobs\n");
}

TEST(status_view, in_detail_names_what_it_waits_for) {
    const std::string text = status_detail(copying(), terminal());
    for (const char* part : {"public.orders", "throttled: replica r1 is 2 GB behind", "50.0%, 500 of 1,000 rows",
                             "1,235 rows/s", "1m15s", "953 MB", "alive"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
    }
    report::job_status broken = copying();
    broken.state = "interrupted";
    broken.resumable = true;
    EXPECT_NE(status_detail(broken, terminal()).find("yes: pgeist resume 3"), std::string::npos);
}

TEST(status_view, knows_who_is_at_rest) {
    report::job_status one;
    for (const char* state : {"done", "failed", "cancelled", "reverted", "interrupted"}) {
        one.state = state;
        EXPECT_TRUE(at_rest(one)) << state;
    }
    for (const char* state : {"running", "paused", "throttled", "waiting_for_swap"}) {
        one.state = state;
        EXPECT_FALSE(at_rest(one)) << state;
    }
}

}  // namespace
}  // namespace pgeist::report
