#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "cli/failure.hpp"
#include "pgeist/pg/sql_error.hpp"

namespace pgeist::cli {
namespace {

template <class Failure>
report::outcome told(const Failure& failure) {
    return outcome_of(std::make_exception_ptr(failure));
}

TEST(failure, of_our_own_keeps_code_message_and_hint) {
    const auto outcome = told(error(exit_code::lock_not_obtained, "no lock", "try later"));
    EXPECT_EQ(outcome.code, exit_code::lock_not_obtained);
    EXPECT_EQ(outcome.message, "no lock");
    EXPECT_EQ(outcome.hint, "try later");
    EXPECT_EQ(told(cancelled()).code, exit_code::cancelled);
    EXPECT_EQ(told(usage_error("x")).code, exit_code::usage);
}

TEST(failure, of_a_statement_tells_what_the_server_added) {
    pg::diagnostics diag;
    diag.sqlstate = "23514";
    diag.message = "check constraint is violated";
    diag.detail = "Failing row contains (1).";
    const auto outcome = told(pg::sql_error(exit_code::failed, diag, false, false));
    EXPECT_NE(outcome.message.find("check constraint is violated"), std::string::npos);
    EXPECT_NE(outcome.message.find("Failing row contains (1)."), std::string::npos);
}

TEST(failure, by_cancellation_is_the_users_wish) {
    EXPECT_EQ(told(boost::system::system_error(boost::asio::error::operation_aborted)).code, exit_code::cancelled);
    EXPECT_EQ(told(boost::system::system_error(boost::asio::error::bad_descriptor)).code, exit_code::failed);
}

TEST(failure, of_any_other_kind_is_code_1) {
    EXPECT_EQ(told(std::logic_error("oops")).code, exit_code::failed);
    EXPECT_NE(told(std::logic_error("oops")).message.find("oops"), std::string::npos);
    EXPECT_EQ(told(std::bad_alloc()).message, "out of memory");
    EXPECT_EQ(told(42).code, exit_code::failed);
}

}  // namespace
}  // namespace pgeist::cli
