#include "support/gate.hpp"

#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

// IMMUTABLE, so that it may stand in an index; lock_timeout off, because the product's sessions may have set one, which
// counts for advisory locks too. The lock is shared and ends with the transaction: it is held only in passing.
constexpr const char* install = R"(
    CREATE OR REPLACE FUNCTION public.gate(number int, here boolean, value anyelement) RETURNS anyelement
    LANGUAGE plpgsql IMMUTABLE SET lock_timeout = 0 AS $$
    BEGIN
        IF here THEN
            PERFORM pg_catalog.pg_advisory_xact_lock_shared(7001, number);
        END IF;
        RETURN value;
    END $$)";

}  // namespace

gate::gate(test_database& database, int number) : connection_(database.connect()), number_(number) {
    connection_.execute(install);
}

std::string gate::expression(const std::string& condition, const std::string& value) const {
    return "public.gate(" + std::to_string(number_) + ", " + condition + ", " + value + ")";
}

void gate::close() {
    connection_.query("SELECT pg_advisory_lock($1::int, $2::int)",
                      {std::to_string(lock_class), std::to_string(number_)});
}

void gate::open() {
    connection_.query("SELECT pg_advisory_unlock($1::int, $2::int)",
                      {std::to_string(lock_class), std::to_string(number_)});
}

long long gate::waiting() {
    return connection_.number(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::oid AND objid = $2::oid "
        "AND objsubid = 2 AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = "
        "current_database())",
        {std::to_string(lock_class), std::to_string(number_)});
}

void gate::wait_until_reached() {
    wait_for(
        "somebody at gate " + std::to_string(number_), [this] { return waiting() > 0; }, std::chrono::seconds(60));
}

}  // namespace pgeist::test
