// Tests of readable_test: in work.
