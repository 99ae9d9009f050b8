// Tests of objects_test: in work.
