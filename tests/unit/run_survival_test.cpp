// What to do about a lost connection: for how long, and whether the server that answers is the right one.

#include <gtest/gtest.h>

#include "pgeist/job/identity.hpp"
#include "pgeist/supervise/reconnect_policy.hpp"

namespace pgeist {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using supervise::reconnect_policy;

const reconnect_policy::clock::time_point start = reconnect_policy::clock::time_point() + std::chrono::hours(1);

task::phase phase_named(const char* name, bool long_statement) {
    task::phase one;
    one.name = name;
    one.long_statement = long_statement;
    return one;
}

const task::phase copy = phase_named("copy", false);
const task::phase build = phase_named("build", true);
const task::phase verify = phase_named("verify", false);

TEST(Perseverance, GivesUpWhenOneOutageLastsTooLong) {
    reconnect_policy patience(minutes(10));
    patience.lost(start, start + minutes(5), copy);
    EXPECT_EQ(patience.until(), start + minutes(15));
    // Connected, and lost again at once: still the same outage.
    patience.lost(start + minutes(6), start + minutes(6) + seconds(2), copy);
    EXPECT_EQ(patience.until(), start + minutes(15));
    // It worked for a while: another outage.
    patience.lost(start + minutes(7), start + minutes(9), copy);
    EXPECT_EQ(patience.until(), start + minutes(19));
    EXPECT_FALSE(patience.hopeless());
}

TEST(Perseverance, GivesUpWhenTheSameLongStatementLosesItsServerAgainAndAgain) {
    reconnect_policy patience(minutes(10));
    auto now = start;
    for (int time = 1; time <= 5; ++time) {
        EXPECT_FALSE(patience.hopeless());
        patience.lost(now, now + minutes(20), build);
        now += minutes(20);
    }
    EXPECT_TRUE(patience.hopeless());
    patience.lost(now, now + minutes(20), verify);
    EXPECT_FALSE(patience.hopeless());
}

TEST(Perseverance, PausesLongerEachTimeUpToSomeSeconds) {
    EXPECT_EQ(reconnect_policy::pause(1), milliseconds(100));
    EXPECT_EQ(reconnect_policy::pause(2), milliseconds(200));
    EXPECT_EQ(reconnect_policy::pause(6), milliseconds(3200));
    EXPECT_EQ(reconnect_policy::pause(7), seconds(5));
    EXPECT_EQ(reconnect_policy::pause(1'000'000), seconds(5));
}

job::identity known() {
    job::identity place;
    place.system = "7001";
    place.timeline = 3;
    place.flushed = 1'000'000;
    place.database = "16384";
    place.token = "a";
    place.incarnation = 2;
    return place;
}

TEST(Identity, IsTheSameServerLaterOn) {
    job::identity now = known();
    now.flushed = 2'000'000;
    EXPECT_FALSE(job::difference(known(), now));
}

TEST(Identity, IsTheReplicaThatWasPromotedWithLessWal) {
    job::identity now = known();
    now.timeline = 4;
    now.flushed = 900'000;
    EXPECT_FALSE(job::difference(known(), now));
}

TEST(Identity, IsNotKnownOnServicesThatDoNotSay) {
    job::identity now = known();
    now.system.clear();
    now.timeline.reset();
    now.flushed.reset();
    EXPECT_FALSE(job::difference(known(), now));
    EXPECT_FALSE(job::difference(now, known()));
    now.token = "b";
    EXPECT_TRUE(job::difference(known(), now));
}

TEST(Identity, IsAnotherWhenAnythingSaysSo) {
    const auto differs = [](void (*change)(job::identity&)) {
        job::identity now = known();
        change(now);
        return job::difference(known(), now).has_value();
    };
    EXPECT_TRUE(differs([](job::identity& now) { now.system = "7002"; }));
    EXPECT_TRUE(differs([](job::identity& now) { now.database = "16385"; }));
    EXPECT_TRUE(differs([](job::identity& now) { now.timeline = 2; }));
    EXPECT_TRUE(differs([](job::identity& now) { now.flushed = 999'999; }));
    EXPECT_TRUE(differs([](job::identity& now) { now.token.clear(); }));
    EXPECT_TRUE(differs([](job::identity& now) { now.token = "b"; }));
    EXPECT_TRUE(differs([](job::identity& now) { now.incarnation = 1; }));
}

}  // namespace
}  // namespace pgeist
