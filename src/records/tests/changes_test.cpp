// Tests of changes_test: in work.
