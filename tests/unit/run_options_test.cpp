#include <gtest/gtest.h>

#include "pgeist/core/error.hpp"
#include "pgeist/settings/options.hpp"

namespace pgeist::run {
namespace {

using std::chrono::milliseconds;

settings with(const std::string& name, const std::string& value) {
    settings made;
    apply_option(made, name, value);
    return made;
}

TEST(run_options, every_option_is_found_by_its_name_and_names_are_unique) {
    for (const option& each : options()) {
        EXPECT_EQ(find_option(each.name), &each) << each.name;
        EXPECT_FALSE(each.help.empty()) << each.name;
    }
    EXPECT_EQ(find_option("no-such"), nullptr);
}

TEST(run_options, the_defaults_shown_are_the_defaults) {
    const std::string untouched = to_json(settings());
    for (const option& each : options()) {
        const std::string fallback(each.fallback);
        if (fallback.empty() || fallback == "the server's" || fallback == "none") {
            continue;
        }
        settings given = with(std::string(each.name), fallback);
        given.workers_chosen = given.index_jobs_chosen = false;  // the same value, but the user's own
        EXPECT_EQ(to_json(given), untouched) << each.name;
    }
}

TEST(run_options, values_reach_their_place) {
    EXPECT_EQ(with("workers", "64").workers, 64);
    EXPECT_EQ(with("chunk-time", "2s").chunk_time, milliseconds(2000));
    EXPECT_EQ(with("chunk-rows", "5000").chunk_rows, 5000);
    EXPECT_EQ(with("maintenance-work-mem", "64MB").maintenance_work_mem, 64 << 20);
    EXPECT_EQ(with("nice", "0.5").nice, 0.5);
    EXPECT_EQ(with("max-rate", "1000").max_rate, 1000);
    EXPECT_EQ(with("max-load", "off").max_load, std::nullopt);
    EXPECT_EQ(with("on-blocked", "terminate").blocked, on_blocked::terminate);
    EXPECT_EQ(with("swap-max-wait", "2h").swap_max_wait, std::chrono::hours(2));
    EXPECT_TRUE(with("drop-old", "on").drop_old);
    EXPECT_TRUE(with("keep-old", "off").drop_old);
    EXPECT_EQ(with("pause-file", "/tmp/x").pause_file, "/tmp/x");
    EXPECT_EQ(with("statement-timeout", "0").statement_timeout, milliseconds(0));
}

TEST(run_options, verify_takes_three_forms) {
    EXPECT_EQ(with("verify", "full").verify, verify_mode::full);
    EXPECT_EQ(with("verify", "off").verify, verify_mode::off);
    const settings sampled = with("verify", "sample:12.5");
    EXPECT_EQ(sampled.verify, verify_mode::sample);
    EXPECT_DOUBLE_EQ(sampled.verify_sample_percent, 12.5);
}

TEST(run_options, lag_is_a_size_or_a_time_of_any_or_named_replicas) {
    EXPECT_EQ(with("max-lag", "64MB").max_lag_bytes, 64 << 20);
    EXPECT_EQ(with("max-lag", "10s").max_lag_time, milliseconds(10'000));
    EXPECT_EQ(with("max-lag", "500ms").max_lag_time, milliseconds(500));
    const settings named = with("max-lag", "r1,r2:2min");
    EXPECT_EQ(named.lag_replicas, (std::vector<std::string>{"r1", "r2"}));
    EXPECT_EQ(named.max_lag_time, std::chrono::minutes(2));

    settings both = named;
    apply_option(both, "max-lag", "1GB");
    EXPECT_EQ(both.max_lag_time, std::chrono::minutes(2));
    EXPECT_EQ(both.max_lag_bytes, 1 << 30);
    apply_option(both, "max-lag", "off");
    EXPECT_EQ(to_json(both), to_json(settings()));
}

struct wrong_value {
    const char* name;
    const char* value;
};

class wrong_values : public ::testing::TestWithParam<wrong_value> {};

TEST_P(wrong_values, are_refused_and_the_hint_says_what_is_allowed) {
    settings untouched;
    try {
        apply_option(untouched, GetParam().name, GetParam().value);
        FAIL() << GetParam().name << " takes " << GetParam().value;
    } catch (const usage_error& problem) {
        EXPECT_EQ(problem.code(), exit_code::usage);
        EXPECT_NE(problem.hint(), "");
    }
}

INSTANTIATE_TEST_SUITE_P(
    run_options, wrong_values,
    ::testing::Values(wrong_value{"workers", "0"}, wrong_value{"workers", "65"}, wrong_value{"workers", "2x"},
                      wrong_value{"workers", ""}, wrong_value{"workers", "99999999999999999999"},
                      wrong_value{"chunk-time", "500"}, wrong_value{"chunk-time", "1ms"},
                      wrong_value{"chunk-rows", "-5"}, wrong_value{"nice", "-0.1"}, wrong_value{"nice", "x"},
                      wrong_value{"nice", "nan"}, wrong_value{"nice", "0x1"}, wrong_value{"max-lag", "10"},
                      wrong_value{"max-lag", "10q"}, wrong_value{"max-lag", ":10s"}, wrong_value{"max-lag", "a,,b:10s"},
                      wrong_value{"max-lag", "r1:"}, wrong_value{"verify", "sample:0"},
                      wrong_value{"verify", "sample:101"}, wrong_value{"verify", "sample:"},
                      wrong_value{"verify", "some"}, wrong_value{"on-blocked", "kill"},
                      wrong_value{"lock-timeout", "0"}, wrong_value{"lock-timeout", "10min"},
                      wrong_value{"max-log-size", "1kB"}, wrong_value{"postpone-swap", "maybe"}));

TEST(run_options, some_can_be_set_while_a_job_runs_and_some_cannot) {
    settings running;
    apply_steering(running, "workers", "8");
    EXPECT_EQ(running.workers, 8);
    EXPECT_THROW(apply_steering(running, "verify", "off"), usage_error);
    EXPECT_THROW(apply_steering(running, "nonsense", "1"), usage_error);
    // SQL that runs with the rights of the run, and files of its host, are not for whoever may write to its row.
    for (const char* name : {"throttle-query", "pause-file", "postpone-file"}) {
        apply_option(running, name, "as given to the run");
        EXPECT_THROW(apply_steering(running, name, "something else"), usage_error) << name;
        EXPECT_NE(to_json(running).find("as given to the run"), std::string::npos) << name;
        apply_steering(running, name, "off");
        EXPECT_EQ(to_json(running).find("as given to the run"), std::string::npos) << name;
    }
}

TEST(run_settings, survive_being_stored) {
    settings stored;
    const std::pair<const char*, const char*> values[] = {{"workers", "7"},
                                                          {"chunk-time", "123ms"},
                                                          {"chunk-rows", "42"},
                                                          {"index-jobs", "3"},
                                                          {"maintenance-work-mem", "1GB"},
                                                          {"max-lag", "a b,ü:64MB"},
                                                          {"max-load", "20"},
                                                          {"max-rate", "5000000000"},
                                                          {"throttle-query", "SELECT \"x\" FROM y WHERE z = '\\'"},
                                                          {"pause-file", "/tmp/pause me"},
                                                          {"nice", "0.25"},
                                                          {"verify", "sample:0.5"},
                                                          {"lock-timeout", "1s"},
                                                          {"swap-attempts", "5"},
                                                          {"swap-max-wait", "1h"},
                                                          {"on-blocked", "cancel"},
                                                          {"postpone-swap", "on"},
                                                          {"postpone-file", "/tmp/wait"},
                                                          {"ignore-old-snapshots", "on"},
                                                          {"drop-old", "on"},
                                                          {"statement-timeout", "1min"},
                                                          {"max-log-size", "10GB"}};
    for (const auto& [name, value] : values) {
        apply_option(stored, name, value);
    }
    apply_option(stored, "max-lag", "9s");
    const settings read = settings_from_json(to_json(stored));
    EXPECT_EQ(to_json(read), to_json(stored));
    EXPECT_EQ(read.max_rate, 5'000'000'000);
    EXPECT_EQ(read.lag_replicas, (std::vector<std::string>{"a b", "ü"}));
    EXPECT_EQ(read.blocked, on_blocked::cancel);
    EXPECT_DOUBLE_EQ(read.verify_sample_percent, 0.5);
    EXPECT_TRUE(read.drop_old);
    EXPECT_TRUE(read.workers_chosen && read.index_jobs_chosen) << "the user's own numbers hold in any company";
    EXPECT_FALSE(settings().workers_chosen || settings().index_jobs_chosen);
    EXPECT_EQ(to_json(settings_from_json(to_json(settings()))), to_json(settings()));
}

TEST(run_settings, of_an_older_version_get_the_defaults_for_what_it_did_not_know) {
    const settings read = settings_from_json(R"({"workers":9,"unknown_to_us":[1]})");
    EXPECT_EQ(read.workers, 9);
    EXPECT_EQ(read.swap_attempts, settings().swap_attempts);
}

TEST(run_settings, that_make_no_sense_are_refused) {
    for (const char* text : {"", "[]", "{", R"({"workers":"two"})", R"({"verify":"perhaps"})", R"({"drop_old":1})"}) {
        EXPECT_THROW((void)settings_from_json(text), error) << text;
    }
}

}  // namespace
}  // namespace pgeist::run
