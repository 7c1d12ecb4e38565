/*
 * Names of the double build's symbols: every function of the engine's numeric core that
 * other files see, with "_double" behind it, so that a program may link both builds.
 * A name that is missing here is defined twice then: test_precisions would not link.
 */
#ifndef BACKPROP_DOUBLE_NAMES_H
#define BACKPROP_DOUBLE_NAMES_H

#define column_sum column_sum_double
#define flat_new flat_new_double
#define flat_new_unset flat_new_unset_double
#define gemm_isa_best gemm_isa_best_double
#define gemm_isa_supported gemm_isa_supported_double
#define gemm_kernel gemm_kernel_double
#define gemm_nn gemm_nn_double
#define gemm_nn_reference gemm_nn_reference_double
#define gemm_nt gemm_nt_double
#define gemm_nt_reference gemm_nt_reference_double
#define gemm_tn gemm_tn_double
#define gemm_tn_reference gemm_tn_reference_double
#define gemm_use_one_thread gemm_use_one_thread_double
#define gradcheck gradcheck_double
#define graph_arena_bytes graph_arena_bytes_double
#define graph_compile graph_compile_double
#define graph_export graph_export_double
#define graph_export_param graph_export_param_double
#define graph_exported_count graph_exported_count_double
#define graph_free graph_free_double
#define graph_import graph_import_double
#define graph_import_param graph_import_param_double
#define graph_initialize graph_initialize_double
#define graph_input_width graph_input_width_double
#define graph_max_rows graph_max_rows_double
#define graph_model graph_model_double
#define graph_node graph_node_double
#define graph_node_count graph_node_count_double
#define graph_output_width graph_output_width_double
#define graph_plan_memory graph_plan_memory_double
#define graph_size graph_size_double
#define graph_tensor graph_tensor_double
#define graph_tensor_count graph_tensor_count_double
#define graph_trained_size graph_trained_size_double
#define loss_compute loss_compute_double
#define loss_sums_accuracy loss_sums_accuracy_double
#define loss_sums_add loss_sums_add_double
#define loss_sums_loss loss_sums_loss_double
#define loss_sums_mae loss_sums_mae_double
#define loss_sums_r2 loss_sums_r2_double
#define loss_takes_labels loss_takes_labels_double
#define loss_target_bytes loss_target_bytes_double
#define node_units node_units_double
#define op_at op_at_double
#define op_find op_find_double
#define optimizer_begin optimizer_begin_double
#define optimizer_init optimizer_init_double
#define optimizer_name optimizer_name_double
#define optimizer_update optimizer_update_double
#define row_fill row_fill_double
#define run_activation run_activation_double
#define run_backward run_backward_double
#define run_forward run_forward_double
#define run_free run_free_double
#define run_gradient_rows run_gradient_rows_double
#define run_input run_input_double
#define run_input_gradient run_input_gradient_double
#define run_new run_new_double
#define run_observe_only run_observe_only_double
#define run_output run_output_double
#define run_output_gradient run_output_gradient_double
#define stepper_block_reals stepper_block_reals_double
#define stepper_evaluate stepper_evaluate_double
#define stepper_free stepper_free_double
#define stepper_gradient_norm stepper_gradient_norm_double
#define stepper_graph stepper_graph_double
#define stepper_l2_loss stepper_l2_loss_double
#define stepper_layer_count stepper_layer_count_double
#define stepper_layer_report stepper_layer_report_double
#define stepper_moments stepper_moments_double
#define stepper_new stepper_new_double
#define stepper_optimizer stepper_optimizer_double
#define stepper_parameters stepper_parameters_double
#define stepper_plan_reports stepper_plan_reports_double
#define stepper_plan_update stepper_plan_update_double
#define stepper_train stepper_train_double
#define stepper_update_slice stepper_update_slice_double
#define vector_absolute_sum vector_absolute_sum_double
#define vector_add vector_add_double
#define vector_clamp vector_clamp_double
#define vector_dot vector_dot_double
#define vector_exp vector_exp_double
#define vector_max vector_max_double
#define vector_scale vector_scale_double
#define vector_square_sum vector_square_sum_double
#define vector_sum vector_sum_double

#endif
